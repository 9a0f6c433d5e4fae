// Processes as the host numbers and shows them. Any process.
#pragma once

#include <string>
#include <vector>

namespace sandbox {

/// Host's pids of all processes in the namespace of `pid` that is called `kind` in /proc ("pid", "mnt"), in numeric
/// order. None when we may not look at it.
std::vector<int> processes_beside(int pid, const char* kind = "pid");
/// The same of the namespace that the file stands for.
std::vector<int> processes_in(int namespace_file, const char* kind);
/// Whether the process is, as long as it lives.
bool is_in(int namespace_file, const char* kind, int pid);
/// `pid` and what descends from it, in numeric order.
std::vector<int> processes_below(int pid);

/// Lines of ps(1)'s table whose column "PID" holds one of `pids`, and its header. Throws InvalidInput without such a
/// column.
std::string only_processes(const std::string& table, const std::vector<int>& pids);

/// What `ps WORDS` (by default -ef) of the host says of these processes. Throws Error when ps fails.
std::string process_table(std::vector<std::string> words, const std::vector<int>& pids);

}  // namespace sandbox
