// RUN: a container of this program on the files so far, and what it has changed as a layer. Runs in the step's process.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sandbox/build/graph.h"
#include "sandbox/engine/build_context.h"
#include "sandbox/engine/step_files.h"

namespace sandbox::engine {

struct RunStep {
  const build::RunOp& op;
  const build::Files& base;                        ///< Without layers: FROM scratch.
  const std::vector<const build::Files*>& inputs;  ///< Of the mounts that have one, in their order.
  const BuildRequest& request;
  const ContextFiles& context;
  const std::map<std::string, ContextFiles>& contexts;  ///< Named ones.
  std::string container_id;                             ///< Of the container that will be made, and is gone afterwards.
};

/// The layer; no digest: nothing has changed. Throws StepFailure naming the exit status.
build::Layer run_step(const Places& places, StepFiles& files, const RunStep& step);

}  // namespace sandbox::engine
