#include "sandbox/base/process.h"

#include <cstdlib>
#include <string>

#include "sandbox/base/file.h"

namespace sandbox {

std::uint64_t process_start_time(int pid) {
  if (pid <= 0) return 0;
  std::string stat;
  try {
    stat = read_file(fmt::format("/proc/{}/stat", pid));
  } catch (const SysError&) {
    return 0;
  }
  // The command in field 2 may hold spaces and parentheses: count from behind the last one.
  std::size_t position = stat.rfind(')');
  if (position == std::string::npos) return 0;
  if (position + 2 < stat.size() && stat[position + 2] == 'Z') return 0;  // dead, only not yet reaped
  for (int field = 2; field < 22 && position != std::string::npos; ++field) position = stat.find(' ', position + 1);
  return position == std::string::npos ? 0 : std::strtoull(stat.c_str() + position, nullptr, 10);
}

}  // namespace sandbox
