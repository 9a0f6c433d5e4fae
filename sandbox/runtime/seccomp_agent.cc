#include "sandbox/runtime/seccomp_agent.h"

#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/runtime/lifecycle.h"
#include "sandbox/runtime/seccomp.h"
#include "sandbox/runtime/unix_socket.h"

namespace sandbox::runtime {

userns::TakeListener connect_agent(const oci::Linux& part, const Record& record, Status status, int pid) {
  if (!has_listener(part)) return {};
  const oci::Value seccomp(*part.seccomp, "linux.seccomp");
  const std::string path = seccomp.text("listenerPath");
  OrderedJson document{{"ociVersion", oci::kSpecVersion}, {"fds", {"seccompFd"}}, {"pid", pid}};
  if (const std::string metadata = seccomp.text("listenerMetadata"); !metadata.empty()) document["metadata"] = metadata;
  document["state"] = decided_state(record, status, record.pid);
  const std::string text = document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  const auto socket = std::make_shared<Fd>(connect_to(path, "seccomp agent"));
  return [socket, text, path](Fd listener) {
    const std::string what = fmt::format("the seccomp listener to '{}'", path);
    send_with_descriptor(*socket, text, listener.get(), what);
    socket->reset();  // one description per connection
  };
}

}  // namespace sandbox::runtime
