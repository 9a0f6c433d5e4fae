// How the kernel treats a process: its scheduling, priorities, memory policy and personality. In the process itself, while
// it still has the rights of its user namespace.
#pragma once

#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Real-time policies, classes of I/O and raised priorities take CAP_SYS_NICE of the initial user namespace, or the
/// limits RLIMIT_NICE and RLIMIT_RTPRIO (sched(7), ioprio_set(2)). Throws SysError.
void apply(const TaskAttributes& attributes);

}  // namespace sandbox::userns
