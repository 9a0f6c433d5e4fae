#include "sandbox/base/process.h"

#include <unistd.h>

#include <cstdlib>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

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

std::string ask_child(const std::function<std::string()>& act) {
  sys::Pair pipe = sys::pipe() | or_throw("making a pipe");
  const sys::Cloned child = sys::clone3(0) | or_throw("starting a child");
  if (child.pid == 0) {
    const std::string answer = act();
    ::_exit(sys::write_all(pipe.second.get(), answer.data(), answer.size()) ? 0 : 1);
  }
  pipe.second.reset();
  std::string answer;
  char buffer[512];
  while (const std::size_t count =
             sys::read(pipe.first.get(), buffer, sizeof buffer) | or_throw("reading from a child")) {
    answer.append(buffer, count);
  }
  const int status = sys::wait_pidfd(child.pidfd.get()) | or_throw("waiting for a child");
  if (status != 0) throw Error(fmt::format("a child ended with wait status {}", status));
  return answer;
}

}  // namespace sandbox
