// The agent that decides about a container's system calls (linux.seccomp.listenerPath): it gets the listener of each
// process's filter, with a description of that process (runtime-spec config-linux.md, "The Container Process State").
#pragma once

#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/store.h"
#include "userns/launch.h"

namespace sandbox::runtime {

/// Connects to the agent, before a process that needs it runs. The result sends it the listener; none when the
/// configuration wants no listener. `pid` is the process's, `status` the container's, whose first process is
/// record.pid. Throws SysError.
userns::TakeListener connect_agent(const oci::Linux& part, const Record& record, Status status, int pid);

}  // namespace sandbox::runtime
