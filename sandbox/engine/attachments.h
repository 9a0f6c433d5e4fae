// The user-defined networks that a container is to be on: --network, --ip, --network-alias, --link, --mac-address.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/container/network.h"
#include "sandbox/container/spec.h"
#include "sandbox/engine/requests.h"

namespace sandbox::engine {

/// A word of --network: "NAME", or "name=NAME,alias=A,ip=ADDRESS,mac-address=ADDRESS".
struct NetworkWord {
  std::string name;
  std::vector<std::string> aliases;
  std::string address, hardware_address;
};
/// Throws UsageError. Pure.
NetworkWord parse_network_word(const std::string& word);

/// Sorts out what the words ask for: `network` and `networks` of the request. Throws UsageError for words that
/// contradict each other. Pure.
void set_networks(RunRequest& request, const std::vector<std::string>& words);

/// An attachment as it is kept. Throws UsageError for an address that the network can't give, or a name that is none.
/// Pure.
container::Attachment plan_attachment(const container::Network& network, const NetworkWord& word);

/// "NAME:ALIAS" of a link's word "CONTAINER[:ALIAS]" to a container on the network. Throws NotFound, UsageError.
std::string find_link(const Places& places, const container::Network& network, const std::string& word);

/// Those of the request, in its order. Throws NotFound, UsageError.
std::vector<container::Attachment> choose_attachments(const Places& places, const RunRequest& request);

}  // namespace sandbox::engine
