// Loading the seccomp filter of a process, in zone X: from then on every system call of the process is under it.
#pragma once

#include "userns/launch_plan.h"

namespace sandbox::userns {

bool has_filter(const ProcessPlan& process) noexcept;

/// Loads the plan's filters, if it has any. Where one has a listener (SECCOMP_FILTER_FLAG_NEW_LISTENER), that goes over
/// `channel` as Word::listener; no system call of the calling thread under the plan's own filter is needed for it. Returns
/// 0 or errno.
int load_filters(const ProcessPlan& process, int channel) noexcept;

}  // namespace sandbox::userns
