// Loads libslirp in the network helper. It stays mapped until the process ends.
#include "netstack/slirp_library.h"

#include <dlfcn.h>

#include "sandbox/base/error.h"

namespace sandbox::netstack {
namespace {

constexpr const char* kHint = "install libslirp (Debian: apt install libslirp0), or use --network none or host";

template <class Function>
void resolve(void* library, const char* name, Function& function) {
  void* symbol = ::dlsym(library, name);
  if (symbol == nullptr) throw Unsupported(fmt::format("libslirp.so.0 has no function '{}'", name), kHint);
  function = reinterpret_cast<Function>(symbol);
}

SlirpLibrary load() {
  void* library = ::dlopen("libslirp.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Unsupported(fmt::format("loading libslirp: {}", ::dlerror()), kHint);
  SlirpLibrary table{};
  resolve(library, "slirp_new", table.create);
  resolve(library, "slirp_cleanup", table.cleanup);
  resolve(library, "slirp_add_hostfwd", table.add_hostfwd);
  resolve(library, "slirp_pollfds_fill", table.pollfds_fill);
  resolve(library, "slirp_pollfds_poll", table.pollfds_poll);
  resolve(library, "slirp_input", table.input);
  return table;
}

}  // namespace

const SlirpLibrary& slirp_library() {
  static const SlirpLibrary table = load();
  return table;
}

}  // namespace sandbox::netstack
