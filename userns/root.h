// The container's root file system, made and entered by descriptor. Zone B.
#pragma once

#include <functional>

#include "sandbox/base/fd.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Takes the device of a FUSE mount and the user namespace that it belongs to, to whoever shall serve it.
using HandOver = std::function<void(const Fd& device, const Fd& user_namespace)>;

/// A FUSE mount that is attached nowhere yet; `attributes` are those of mount_setattr(2). It is being served when
/// `hand_over` returns.
Fd make_fuse_mount(unsigned attributes, const HandOver& hand_over);

/// The merge of a plan's layers by the kernel, attached in a directory of ours for the moment, from where move_mount(2)
/// takes it; O_PATH. Throws SysError.
Fd mount_layers(const RootPlan& root);

/// Makes all mounts private, mounts the root and returns an O_PATH descriptor of it.
Fd mount_root(const RootPlan& root, const HandOver& hand_over);
/// pivot_root(2) into the root; the host's tree is gone afterwards. Without that call it lies beneath, out of reach of
/// names (RootPlan::no_pivot).
void enter_root(int root, bool no_pivot);

/// As the plan has it. After enter_root(), which takes no shared root (pivot_root(2)).
void set_root_propagation(const RootPlan& root);

}  // namespace sandbox::userns
