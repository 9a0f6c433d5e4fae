// Mounts out of the mount namespaces of others. Runs in processes with one thread.
#pragma once

#include <vector>

#include "sandbox/base/fd.h"
#include "userns/joined_namespaces.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

/// A detached copy of what is at `op.source` in the mount namespace `op.mounts_of`. That belongs to the user namespace
/// among `joined`, which a child enters for it: the kernel copies mounts for those in their namespace alone
/// (open_tree(2)). Links there are resolved there. Throws Error.
Fd clone_of_others(const MountOp& op, const std::vector<OpenedNamespace>& joined);

}  // namespace sandbox::userns
