// libslirp, loaded at first use. Private to this room: only the network helper maps it.
#pragma once

#include <slirp/libslirp.h>

namespace sandbox::netstack {

struct SlirpLibrary {
  decltype(&::slirp_new) create;
  decltype(&::slirp_cleanup) cleanup;
  decltype(&::slirp_add_hostfwd) add_hostfwd;
  decltype(&::slirp_remove_hostfwd) remove_hostfwd;
  decltype(&::slirp_pollfds_fill) pollfds_fill;
  decltype(&::slirp_pollfds_poll) pollfds_poll;
  decltype(&::slirp_input) input;
};

/// Throws Unsupported, naming the Debian package, when the library or a function is missing.
const SlirpLibrary& slirp_library();

}  // namespace sandbox::netstack
