// Entry of the network stack process (sbx:netstack).
#include <stdio.h>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/helpers/helpers.h"

namespace sandbox::helpers {

int netstack(std::span<char* const> words) {
  try {
    if (words.size() != 2) throw UsageError("usage: helper netstack CONFIG_FD CHANNEL_FD");
    return sandbox::netstack::netstack_main(Fd(parse_descriptor(words[0])), Fd(parse_descriptor(words[1])));
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox helper netstack: %s\n", error.what());
    return 125;
  }
}

}  // namespace sandbox::helpers
