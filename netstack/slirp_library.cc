// Loads libslirp in the network helper.
#include "netstack/slirp_library.h"

#include "sandbox/base/shared_library.h"

namespace sandbox::netstack {
namespace {

SlirpLibrary load() {
  const SharedLibrary library("libslirp.so.0",
                              "install libslirp (Debian: apt install libslirp0), or use --network none or host");
  SlirpLibrary table{};
  library.resolve("slirp_new", table.create);
  library.resolve("slirp_cleanup", table.cleanup);
  library.resolve("slirp_add_hostfwd", table.add_hostfwd);
  library.resolve("slirp_remove_hostfwd", table.remove_hostfwd);
  library.resolve("slirp_pollfds_fill", table.pollfds_fill);
  library.resolve("slirp_pollfds_poll", table.pollfds_poll);
  library.resolve("slirp_input", table.input);
  return table;
}

}  // namespace

const SlirpLibrary& slirp_library() {
  static const SlirpLibrary table = load();
  return table;
}

}  // namespace sandbox::netstack
