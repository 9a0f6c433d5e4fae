// Mounts in a container that runs already, made from outside by descriptors. Any process with one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Makes them in their order in the mount namespace of the process `container`, below its root. The sources of binds
/// are the caller's paths, opened with the rights of the container's user namespace. Throws Error.
void mount_in(pid_t container, const std::vector<MountOp>& mounts);
/// Detaches what is mounted last at each of the paths there, in their order (umount2(2), MNT_DETACH). Throws Error.
void unmount_in(pid_t container, const std::vector<std::string>& targets);

}  // namespace sandbox::userns
