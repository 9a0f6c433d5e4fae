#include "userns/pidfd.h"

#include <cstdlib>
#include <cstring>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::userns {

/// From /proc/self/fdinfo (pidfd_open(2)).
pid_t pid_of(int pidfd) {
  const std::string path = fmt::format("/proc/self/fdinfo/{}", pidfd);
  const Fd fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  char buffer[1024] = {};
  (void)(sys::read(fd.get(), buffer, sizeof buffer - 1) | or_throw("reading '{}'", path));
  const char* line = std::strstr(buffer, "Pid:");
  const int pid = line != nullptr ? std::atoi(line + 4) : -1;
  if (pid <= 0) throw Conflict("the process is gone");
  return pid;
}

}  // namespace sandbox::userns
