// Naming one process for longer than its pid lives.
#pragma once

#include <cstdint>

namespace sandbox {

/// Field 22 of /proc/<pid>/stat (proc_pid_stat(5)), clock ticks since boot: with it a pid names one process, not a
/// later one of the same number. 0 when there is no such process, or only its zombie.
std::uint64_t process_start_time(int pid);

}  // namespace sandbox
