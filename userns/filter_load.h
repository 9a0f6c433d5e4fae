// Loading the seccomp filter of a process, in zone X: from then on every system call of the process is under it.
#pragma once

#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Loads the plan's filter, if it has one. Where the filter has a listener (SECCOMP_FILTER_FLAG_NEW_LISTENER), that
/// goes over `channel` as Word::listener; no system call of the calling thread is needed for it. Returns 0 or errno.
int load_filter(const ProcessPlan& process, int channel) noexcept;

}  // namespace sandbox::userns
