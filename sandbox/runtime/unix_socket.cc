#include "sandbox/runtime/unix_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>
#include <span>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::runtime {
namespace {

constexpr timeval patience{10, 0};

/// What one message carries at most, well below a socket's buffer: then it is sent whole or not at all.
constexpr std::size_t first_part = 32 * 1024;

}  // namespace

Fd connect_to(const std::string& path, std::string_view what) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw UsageError(fmt::format("the path of the {} is too long: '{}'", what, path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "making a socket");
  // Also bounds connect(2), where the listener's queue is full (socket(7)).
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0) {
    throw SysError(Errno{errno}, "limiting the time of a socket");
  }
  if (::connect(socket.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) < 0) {
    throw SysError(Errno{errno}, fmt::format("connecting to the {} '{}'", what, path));
  }
  return socket;
}

void send_with_descriptor(const Fd& socket, std::string_view text, int fd, std::string_view what) {
  const std::string_view first = text.substr(0, first_part);
  const int fds[] = {fd};
  sys::send_message(socket.get(), std::as_bytes(std::span(first)), fds) | or_throw("sending {}", what);
  const std::string_view rest = text.substr(first.size());
  sys::write_all(socket.get(), rest.data(), rest.size()) | or_throw("sending {}", what);
}

}  // namespace sandbox::runtime
