// Processes as the host numbers and shows them. Any process.
#pragma once

#include <string>
#include <vector>

namespace sandbox {

/// Host's pids of all processes in the pid namespace of `pid`, in numeric order. None when we may not look at it.
std::vector<int> processes_beside(int pid);
/// `pid` and what descends from it, in numeric order.
std::vector<int> processes_below(int pid);

/// Lines of ps(1)'s table whose column "PID" holds one of `pids`, and its header. Throws InvalidInput without such a
/// column.
std::string only_processes(const std::string& table, const std::vector<int>& pids);

/// What `ps WORDS` (by default -ef) of the host says of these processes. Throws Error when ps fails.
std::string process_table(std::vector<std::string> words, const std::vector<int>& pids);

}  // namespace sandbox
