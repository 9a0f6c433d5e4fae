// COPY, ADD and WORKDIR: layers that are written directly, without a container. Runs in the step's process, and for the
// key of a step in the client.
#pragma once

#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "sandbox/build/graph.h"
#include "sandbox/engine/build_context.h"
#include "sandbox/engine/step_files.h"

namespace sandbox::engine {

struct CopyStep {
  const build::CopyOp& op;
  const build::Files& base;
  const build::Files* source;                ///< Of op.source; none: the context.
  std::vector<const build::Files*> fetched;  ///< Of op.fetched.
  const ContextFiles& context;
  timespec now{};
};

/// What a copy selects, or a mount shows: a digest of each object by its path, or of what is fetched by its URL.
using Contents = std::map<std::string, std::string>;
Contents selected_contents(StepFiles& files, const CopyStep& step);
Contents mounted_contents(StepFiles& files, const ContextFiles& context, const std::string& path);

build::Layer copy_step(StepFiles& files, const CopyStep& step);
/// The same, put into the empty directory `fs` of `place` instead of a layer.
void copy_into(StepFiles& files, const CopyStep& step, const std::string& place);

/// No digest: the directory is there.
build::Layer directory_step(StepFiles& files, const build::DirectoryOp& op, const build::Files& base, timespec now);

}  // namespace sandbox::engine
