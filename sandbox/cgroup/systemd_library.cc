// See systemd_library.h.
#include "sandbox/cgroup/systemd_library.h"

#include "sandbox/base/shared_library.h"

namespace sandbox::cgroup {
namespace {

SystemdLibrary load() {
  const SharedLibrary library("libsystemd.so.0", "install it with: apt install libsystemd0");
  SystemdLibrary table{};
  library.resolve("sd_bus_new", table.bus_new);
  library.resolve("sd_bus_set_address", table.set_address);
  library.resolve("sd_bus_set_bus_client", table.set_bus_client);
  library.resolve("sd_bus_start", table.start);
  library.resolve("sd_bus_flush_close_unref", table.flush_close_unref);
  library.resolve("sd_bus_match_signal", table.match_signal);
  library.resolve("sd_bus_call_method", table.call_method);
  library.resolve("sd_bus_process", table.process);
  library.resolve("sd_bus_wait", table.wait);
  library.resolve("sd_bus_message_read", table.message_read);
  library.resolve("sd_bus_message_unref", table.message_unref);
  library.resolve("sd_bus_error_free", table.error_free);
  return table;
}

}  // namespace

const SystemdLibrary& systemd_library() {
  static const SystemdLibrary table = load();
  return table;
}

}  // namespace sandbox::cgroup
