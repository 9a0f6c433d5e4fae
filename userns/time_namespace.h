// The time namespace of a container (time_namespaces(7), Linux 5.6).
#pragma once

#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Moves the calling process, which has one thread and CAP_SYS_ADMIN and CAP_SYS_TIME in its user namespace, into a new
/// one. Throws SysError.
void make_time_namespace(const std::vector<ClockOffset>& offsets);

}  // namespace sandbox::userns
