// The seccomp part of config.json as the filter of a process.
#pragma once

#include "sandbox/oci/runtime_spec.h"
#include "userns/launch_plan.h"

namespace sandbox::runtime {

/// Throws InvalidInput naming what is wrong, Unsupported for what can't be loaded.
void apply_seccomp(const oci::Linux& part, userns::ProcessPlan& process);

}  // namespace sandbox::runtime
