// The seccomp part of config.json as the filter of a process.
#pragma once

#include <string>
#include <vector>

#include "sandbox/oci/runtime_spec.h"
#include "userns/launch_plan.h"

namespace sandbox::runtime {

/// `filters`: see cached_filter(). Throws InvalidInput naming what is wrong, Unsupported for what can't be loaded.
void apply_seccomp(const oci::RuntimeSpec& spec, userns::ProcessPlan& process, const std::string& filters = {});

/// Whether an agent at linux.seccomp.listenerPath decides about some system calls.
bool has_listener(const oci::Linux& part);

/// Names that a configuration may use, for `features`.
std::vector<std::string> seccomp_flags();
std::vector<std::string> seccomp_architectures();

}  // namespace sandbox::runtime
