// Starts the overlay helper: from the container's supervisor, or on its own.
#include <errno.h>
#include <sys/eventfd.h>

#include <array>

#include "fuse-overlay/overlay_server.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

HelperProcess spawn_overlay(const ServerConfig& config, const Fd& fuse, const Fd& user_namespace) {
  const std::array extra{fuse.get(), user_namespace.get()};
  return spawn_helper("overlay", to_json(config).dump(), extra);
}

void serve_until_unmounted(const ServerConfig& config, const Fd& fuse, const Fd& user_namespace) {
  const Fd document = helper_document(to_json(config).dump());
  sys::Pair ready = sys::pipe() | or_throw("making a pipe for the overlay helper");
  const Fd endless(::eventfd(0, EFD_CLOEXEC));  // a lifetime that hangs up with nobody
  if (!endless) throw SysError(Errno{errno}, "making an event descriptor for the overlay helper");
  // Whoever reads our standard error to its end, as podman does, must not wait for the server.
  const pid_t helper = start_helper(
      "overlay", {document.get(), ready.second.get(), endless.get(), fuse.get(), user_namespace.get()}, false);
  ready.second.reset();
  const std::string answer = read_to_end(ready.first.get(), "the helper's answer", 16384);
  if (answer != "R") throw_helper_failure("overlay", answer, helper);
}

}  // namespace sandbox::overlay
