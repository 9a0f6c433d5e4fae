// Starting a container's supervisor and connecting to it. Runs in the client.
#include <errno.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/supervisor.h"

namespace sandbox::container {
namespace {

// Numbers in the supervisor: the first client's connection, and the namespace to enter.
constexpr int client_fd = 3, user_ns_fd = 4;

/// Nothing else of the caller's environment may decide about a process that outlives it.
std::vector<std::string> supervisor_environment(const Places& places) {
  std::vector<std::string> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (name == "SANDBOX_STORE_DIR" || name == "SANDBOX_RUNTIME_DIR") continue;
    if (name == "HOME" || name == "PATH" || name == "TMPDIR" || name == "SLURM_JOB_ID" || name.starts_with("XDG_") ||
        name.starts_with("SANDBOX_")) {
      kept.emplace_back(text);
    }
  }
  kept.push_back("SANDBOX_STORE_DIR=" + places.data);
  kept.push_back("SANDBOX_RUNTIME_DIR=" + places.runtime);
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

/// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void become_supervisor(int socket, int user_ns, char** argv, char** env) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // dup2() onto its own number would leave close-on-exec set, so the descriptors move out of the way first.
  const int moved = ::fcntl(socket, F_DUPFD, user_ns_fd + 1);
  const int moved_ns = user_ns < 0 ? -1 : ::fcntl(user_ns, F_DUPFD, user_ns_fd + 1);
  const int null = ::open("/dev/null", O_RDWR);
  if (moved < 0 || null < 0 || (user_ns >= 0 && moved_ns < 0)) ::_exit(127);
  for (int fd = 0; fd < 3; ++fd) {
    if (null != fd && ::dup2(null, fd) < 0) ::_exit(127);
  }
  if (::dup2(moved, client_fd) < 0 || (moved_ns >= 0 && ::dup2(moved_ns, user_ns_fd) < 0)) ::_exit(127);
  if (::close_range(moved_ns >= 0 ? user_ns_fd + 1 : client_fd + 1, ~0U, 0) < 0) ::_exit(127);
  ::execve("/proc/self/exe", argv, env);
  ::_exit(127);
}

}  // namespace

Fd spawn_supervisor(const Places& places, const Container& container, int user_ns) {
  auto pair = sys::socketpair(SOCK_STREAM) | or_throw("connecting the container's supervisor");
  std::vector<std::string> arguments{"sbx:supervisor", "helper", "supervisor", container.spec.id,
                                     std::to_string(client_fd)};
  if (user_ns >= 0) arguments.push_back(std::to_string(user_ns_fd));
  std::vector<std::string> environment = supervisor_environment(places);
  const auto argv = pointers(arguments);
  const auto env = pointers(environment);
  const pid_t child = ::fork();
  if (child < 0) throw SysError(Errno{errno}, "starting the container's supervisor");
  if (child == 0) become_supervisor(pair.second.get(), user_ns, const_cast<char**>(argv.data()), const_cast<char**>(env.data()));
  return std::move(pair.first);
}

std::string control_socket_path(const Places& places, const std::string& id) {
  const std::string path = places.runtime + "/" + id.substr(0, 12) + ".sock";
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    throw Error(fmt::format("the path of a control socket is too long: '{}'", path), "set SANDBOX_RUNTIME_DIR to a shorter path");
  }
  return path;
}

Fd connect_supervisor(const Places& places, const Container& container) {
  if (container.state.status != Status::running) {
    throw Conflict(fmt::format("container {} is not running", container.spec.name));
  }
  const std::string path = control_socket_path(places, container.spec.id);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "making a socket");
  if (::connect(socket.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) == 0) {
    return socket;
  }
  if (errno == ENOENT || errno == ECONNREFUSED) {
    throw Conflict(fmt::format("container {} is not running", container.spec.name));
  }
  throw SysError(Errno{errno}, fmt::format("connecting to '{}'", path));
}

}  // namespace sandbox::container
