#include "sandbox/runtime/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

#include <charconv>
#include <cstring>

#include "sandbox/base/error.h"
#include "sandbox/runtime/unix_socket.h"

namespace sandbox::runtime {
namespace {

constexpr unsigned preserved_limit = 65536;

}  // namespace

unsigned listen_fds() {
  const char* text = ::getenv("LISTEN_FDS");
  unsigned count = 0;
  if (text == nullptr) return 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), count);
  return error == std::errc{} && *end == 0 ? count : 0;
}

std::vector<int> inherited_descriptors(unsigned count) {
  if (count > preserved_limit) throw UsageError(fmt::format("{} file descriptors can't be preserved", count));
  std::vector<int> found;
  for (unsigned i = 0; i < count; ++i) {
    found.push_back(static_cast<int>(3 + i));
    // One that is closed on execve(2) was not inherited: it is ours, and would be given away.
    const int flags = ::fcntl(found.back(), F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) continue;
    throw UsageError(fmt::format("please check that preserved-fd {} (of {}) is present", i, count));
  }
  return found;
}

void check_terminal(bool detach, bool terminal, const std::string& console_socket) {
  if (detach && terminal && console_socket.empty()) {
    throw UsageError("cannot allocate tty if the runtime will detach without setting console socket");
  }
  if (!console_socket.empty() && !(detach && terminal)) {
    throw UsageError("cannot use console socket if the runtime will not detach or allocate tty");
  }
}

void send_console(const std::string& path, const Fd& console) {
  const Fd socket = connect_to(path, "console socket");
  send_with_descriptor(socket, "/dev/ptmx", console.get(), fmt::format("the terminal to '{}'", path));
}

void keep_line_ends(const Fd& console) {
  if (!console) return;
  termios mode{};
  if (::tcgetattr(console.get(), &mode) < 0) throw SysError(Errno{errno}, "preparing the terminal");
  mode.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
  if (::tcsetattr(console.get(), TCSANOW, &mode) < 0) throw SysError(Errno{errno}, "preparing the terminal");
}

}  // namespace sandbox::runtime
