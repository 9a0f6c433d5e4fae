// Entry of the network stack process (sbx:netstack).
#include <stdio.h>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/helpers/helpers.h"

namespace sandbox::helpers {

int netstack(std::span<char* const> words) {
  try {
    if (words.size() != 4) throw UsageError("usage: helper netstack CONFIG_FD TAP_FD READY_FD LIFETIME_FD");
    return sandbox::netstack::netstack_main(Fd(parse_descriptor(words[0])), Fd(parse_descriptor(words[1])),
                                            Fd(parse_descriptor(words[2])), Fd(parse_descriptor(words[3])));
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox helper netstack: %s\n", error.what());
    return 125;
  }
}

}  // namespace sandbox::helpers
