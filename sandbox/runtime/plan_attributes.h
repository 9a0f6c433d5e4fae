// Scheduling, priorities, memory policy and personality of config.json as attributes of the launch plan. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/oci/runtime_spec.h"
#include "userns/launch_plan.h"

namespace sandbox::runtime {

/// None when the process asks for nothing of that (runtime-spec config.md, "Linux Process"; config-linux.md,
/// "Personality", "Memory policy"). Throws InvalidInput.
std::optional<userns::TaskAttributes> plan_attributes(const oci::Process& process, const oci::Linux& part);

/// The CPUs of a process that joins a container: `final` of execCPUAffinity, or else `initial`. None of them: the
/// caller's. Throws InvalidInput.
std::vector<std::uint32_t> plan_exec_cpus(const oci::Process& process);

/// For the document of features.
std::vector<std::string> memory_policy_modes();
std::vector<std::string> memory_policy_flags();

}  // namespace sandbox::runtime
