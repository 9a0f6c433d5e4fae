// The container's root file system, made and entered by descriptor. Zone B.
#pragma once

#include "sandbox/base/fd.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Makes all mounts private, mounts the root and returns an O_PATH descriptor of it.
Fd mount_root(const RootPlan& root);
/// pivot_root(2) into the root; the host's tree is gone afterwards.
void enter_root(int root);

}  // namespace sandbox::userns
