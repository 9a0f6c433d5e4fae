// The seccomp part of config.json as the filter of a process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/filter_cache.h"
#include "userns/launch_plan.h"

namespace sandbox::runtime {

/// Empty where none is asked for. `filters`: see cached_filter(). Throws InvalidInput naming what is wrong, Unsupported
/// for what can't be loaded.
Filter seccomp_filter(const oci::RuntimeSpec& spec, const std::string& filters = {});

/// The flags that it is loaded with, as bits. Throws InvalidInput for unknown ones.
std::uint32_t seccomp_flags(const oci::Linux& part);

/// Both of them for a process.
void apply_seccomp(const oci::RuntimeSpec& spec, userns::ProcessPlan& process, const std::string& filters = {});

/// Whether an agent at linux.seccomp.listenerPath decides about some system calls.
bool has_listener(const oci::Linux& part);

/// Names that a configuration may use, for `features`.
std::vector<std::string> seccomp_flag_names();
std::vector<std::string> seccomp_architectures();

}  // namespace sandbox::runtime
