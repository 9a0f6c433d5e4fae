// Entries of the network helpers: of a private network (sbx:netstack), and of one with several members (sbx:network).
#include <stdio.h>

#include "netstack/netstack.h"
#include "netstack/network.h"
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

int network(std::span<char* const> words) {
  try {
    if (words.size() != 3) throw UsageError("usage: helper network CONFIG_FD LISTENER_FD CHANNEL_FD");
    return sandbox::netstack::network_main(Fd(parse_descriptor(words[0])), Fd(parse_descriptor(words[1])),
                                           Fd(parse_descriptor(words[2])));
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox helper network: %s\n", error.what());
    return 125;
  }
}

}  // namespace sandbox::helpers
