// Writing a new user namespace's id maps (user_namespaces(7)). Runs in the parent of the new process.
#pragma once

#include <sys/types.h>

#include "sandbox/base/fd.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Writes uid_map, gid_map and setgroups of `pid`. A nested plan's maps are written by us, root of the parent
/// namespace. So is one line that maps our own id (setgroups becomes "deny", CVE-2014-8989); anything else goes through
/// newuidmap(1) and newgidmap(1). Throws SysError, or Unsupported when those programs are missing or refuse.
void write_id_maps(pid_t pid, const IdentityPlan& identity);

/// Those of the calling process, in its new namespace. Precondition: the maps hold one line, the ids that it had.
void write_own_id_maps(const IdentityPlan& identity);

/// A user namespace with the caller's own ids alone, which are root's in there; for a helper to join (setns(2)).
/// Precondition: one thread.
Fd make_own_namespace();

}  // namespace sandbox::userns
