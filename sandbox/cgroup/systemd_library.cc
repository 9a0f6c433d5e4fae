// Loading of libsystemd.so.0 with dlopen(3); see systemd_library.h.
#include "sandbox/cgroup/systemd_library.h"

#include <dlfcn.h>

#include "sandbox/base/error.h"

namespace sandbox::cgroup {
namespace {

constexpr const char* kHint = "install it with: apt install libsystemd0";

template <class Function>
void resolve(void* library, const char* name, Function& function) {
  void* symbol = ::dlsym(library, name);
  if (symbol == nullptr) throw Unsupported(fmt::format("libsystemd.so.0 lacks '{}'", name), kHint);
  function = reinterpret_cast<Function>(symbol);
}

SystemdLibrary load() {
  void* library = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Unsupported(fmt::format("loading libsystemd: {}", ::dlerror()), kHint);
  SystemdLibrary table{};
  resolve(library, "sd_bus_new", table.bus_new);
  resolve(library, "sd_bus_set_address", table.set_address);
  resolve(library, "sd_bus_set_bus_client", table.set_bus_client);
  resolve(library, "sd_bus_start", table.start);
  resolve(library, "sd_bus_flush_close_unref", table.flush_close_unref);
  resolve(library, "sd_bus_match_signal", table.match_signal);
  resolve(library, "sd_bus_call_method", table.call_method);
  resolve(library, "sd_bus_process", table.process);
  resolve(library, "sd_bus_wait", table.wait);
  resolve(library, "sd_bus_message_read", table.message_read);
  resolve(library, "sd_bus_message_unref", table.message_unref);
  resolve(library, "sd_bus_error_free", table.error_free);
  return table;
}

}  // namespace

const SystemdLibrary& systemd_library() {
  static const SystemdLibrary table = load();
  return table;
}

}  // namespace sandbox::cgroup
