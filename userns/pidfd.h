// Processes behind pidfds.
#pragma once

#include <sys/types.h>

namespace sandbox::userns {

/// The number of the process in the pid namespace of /proc. Throws Conflict when it has been reaped, SysError.
pid_t pid_of(int pidfd);

}  // namespace sandbox::userns
