// What the owner helper gives up.
#pragma once

#include <string>

#include "sandbox/base/fd.h"

namespace sandbox::ownership {

/// Places of the host that it keeps, each a mount of its own that leads nowhere else.
struct Kept {
  Fd proc, upper;  ///< No upper: it was empty.
};

/// Joins the user namespace, where it has capabilities over the container's processes and files, and leaves the host's
/// tree: its root is procfs afterwards. Landlock is of no use here, since a process under it may look at no others.
Kept leave_host(const Fd& user_namespace, const std::string& upper);

/// Takes away the capabilities to reach files that their modes forbid, and gives them back.
void suspend_file_capabilities(bool suspended);

/// The system calls that serving needs, and no others.
void confine_calls();

}  // namespace sandbox::ownership
