// Mounts that show other ids than their file system has (mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12).
#pragma once

#include <string>

#include "sandbox/base/fd.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Gives the detached mount, which nobody has seen yet, the ids, as the calling process has them. That process has
/// power over the file system, and one thread; while it works it is dumpable. `what` names the mount. Throws SysError.
void map_ids(int mount, const MountIds& ids, const std::string& what);
/// A detached copy of what is mounted at `source`, with the mounts below it where `recursive`, and with these ids.
Fd clone_with_ids(const std::string& source, bool recursive, const MountIds& ids);

}  // namespace sandbox::userns
