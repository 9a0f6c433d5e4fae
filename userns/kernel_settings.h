// Parameters of the kernel that belong to the new process or to its namespaces, written through the procfs that the
// launching process sees: one that a container could have changed is never used (CVE-2025-52881).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Of the process `pid`, or of the caller for 0 (proc_pid_oom_score_adj(5)). Nothing is written when it has the value.
/// Precondition: the process is dumpable.
void set_oom_score_adj(pid_t pid, std::int32_t value);

/// Of the caller's time namespace for children (time_namespaces(7)). Precondition: the process is dumpable.
void set_clock_offsets(const std::vector<ClockOffset>& offsets);

/// What the security modules AppArmor and SELinux are to make of the caller at its next execve(2), and of what it forks
/// until then (proc_pid_attr(5)).
void set_exec_labels(const ProcessPlan& process);

/// Whether the parameter, with dots in its name, is one of a namespace of this kind (ipc, network), which its owner may
/// change. Pure.
bool is_sysctl_of(std::string_view name, NamespaceKind kind);

/// Runs in the new process, in its namespaces, before the host's tree disappears.
void write_sysctls(const std::vector<Sysctl>& sysctls);

}  // namespace sandbox::userns
