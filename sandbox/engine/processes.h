// The processes of a running container, as the host sees them. Runs in the client.
#pragma once

#include <string>
#include <vector>

#include "sandbox/container/container_store.h"

namespace sandbox::engine {

/// Host's pids of all processes in the pid namespace of `pid`, in numeric order.
std::vector<int> processes_beside(int pid);

/// Lines of ps(1)'s table whose column "PID" holds one of `pids`, and its header. Throws InvalidInput without such a column.
std::string only_processes(const std::string& table, const std::vector<int>& pids);

/// What `ps WORDS` (by default -ef) of the host says of the container's processes. Throws Conflict when it is not running,
/// Error when ps fails.
std::string list_processes(const container::Container& container, std::vector<std::string> words);

}  // namespace sandbox::engine
