// Starting a container's supervisor and connecting to it. Runs in the client.
#include <errno.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/sealed_program.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/supervisor.h"

namespace sandbox::container {
namespace {

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

}  // namespace

Fd spawn_supervisor(const Places& places, const Container& container, const userns::KeptNamespace* kept,
                    const std::vector<int>& passed) {
  auto pair = sys::socketpair(SOCK_STREAM) | or_throw("connecting the container's supervisor");
  // What it starts are programs that others have chosen.
  const bool has_copy = kept != nullptr && kept->program;
  const Fd copy = has_copy ? Fd{} : sealed_program();
  SelfStart start{{"sbx:supervisor", "helper", "supervisor", container.spec.id}, supervisor_environment(places), {}};
  start.program = copy ? copy.get() : has_copy ? kept->program.get() : -1;
  const auto give = [&](int descriptor) {
    start.words.push_back(fmt::format("{}", 3 + start.descriptors.size()));
    start.descriptors.push_back(descriptor);
  };
  give(pair.second.get());
  if (kept != nullptr) give(kept->user_ns.get());
  else start.words.push_back("-");
  for (const int descriptor : passed) give(descriptor);
  start_self(start);
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
  if (!is_up(container.state)) {
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
