// COPY, ADD and WORKDIR: layers that are written directly, without a container. Runs in the step's process, and for the
// key of a step in the client.
#pragma once

#include <ctime>
#include <string>

#include "sandbox/build/graph.h"
#include "sandbox/engine/build_context.h"
#include "sandbox/engine/step_files.h"

namespace sandbox::engine {

struct CopyStep {
  const build::CopyOp& op;
  const build::Files& base;
  const build::Files* source;  ///< Of op.source; none: the context.
  const BuildContext& context;
  timespec now{};
};

/// A digest of everything that the copy selects; see build::CopySource.
std::string selected_digest(StepFiles& files, const CopyStep& step);
/// The same of what a bind mount of the context shows.
std::string context_digest(StepFiles& files, const BuildContext& context, const std::string& path);

build::Layer copy_step(StepFiles& files, const CopyStep& step);
/// The same, put into the empty directory `fs` of `place` instead of a layer.
void copy_into(StepFiles& files, const CopyStep& step, const std::string& place);

/// No digest: the directory is there.
build::Layer directory_step(StepFiles& files, const build::DirectoryOp& op, const build::Files& base, timespec now);

}  // namespace sandbox::engine
