// See attachments.h. Runs in the client. Wording of moby's (api/types/container, daemon/container_operations.go).
#include "sandbox/engine/attachments.h"

#include <algorithm>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/network_store.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

constexpr std::string_view kOther = "container:";

/// What Docker calls the network of a container's own, and we too.
bool is_private(const std::string& name) { return name == "private" || name == "bridge" || name == "default"; }

bool is_mode(const std::string& name) {
  return is_private(name) || name == "none" || name == "host" || name.starts_with(kOther);
}

/// What is looked up by others: a word that one can write into a file of hosts.
void check_alias(const std::string& alias) {
  constexpr std::size_t kLargest = 253;  // RFC 1035
  const bool is_plain = std::ranges::all_of(
      alias, [](unsigned char byte) { return std::isalnum(byte) != 0 || byte == '-' || byte == '_' || byte == '.'; });
  if (alias.empty() || alias.size() > kLargest || !is_plain) {
    throw UsageError(fmt::format("invalid network alias \"{}\": not a name", alias));
  }
}

/// Flags beside --network are about the first one, unless its own word says the same.
void add_flags(NetworkWord& word, const RunRequest& request) {
  if (!request.network_aliases.empty() && !word.aliases.empty())
    throw UsageError("conflicting options: cannot specify both --network-alias and per-network alias");
  if (!request.ip.empty() && !word.address.empty())
    throw UsageError("conflicting options: cannot specify both --ip and per-network IPv4 address");
  if (!request.mac_address.empty() && !word.hardware_address.empty())
    throw UsageError("conflicting options: cannot specify both --mac-address and per-network MAC address");
  if (word.aliases.empty()) word.aliases = request.network_aliases;
  if (word.address.empty()) word.address = request.ip;
  if (word.hardware_address.empty()) word.hardware_address = request.mac_address;
}

/// Of a network of the container's own, or of none.
void refuse_flags(const RunRequest& request) {
  const std::string hint = "make a network, 'sandbox network create NAME', and use it: --network NAME";
  if (!request.ip.empty())
    throw UsageError("user specified IP address is supported on user defined networks only", hint);
  if (!request.network_aliases.empty())
    throw UsageError("network-scoped aliases are only supported for containers in user-defined networks", hint);
  if (request.links.empty()) return;
  if (request.network != "private") {
    throw UsageError(fmt::format("conflicting options: {} networking can't be used with links", request.network));
  }
  throw UsageError("links are supported on user-defined networks only: here a container's default network is its own",
                   hint);
}

}  // namespace

NetworkWord parse_network_word(const std::string& word) {
  if (word.find('=') == std::string::npos) return {.name = word, .aliases = {}, .address = {}, .hardware_address = {}};
  NetworkWord result;
  for (const auto& [key, value] : split_options(word)) {
    if (!value) throw UsageError(fmt::format("invalid field {}", key));
    if (key == "name") {
      result.name = *value;
    } else if (key == "alias") {
      result.aliases.emplace_back(*value);
    } else if (key == "ip") {
      result.address = *value;
    } else if (key == "mac-address") {
      result.hardware_address = *value;
    } else if (key == "ip6" || key == "link-local-ip" || key == "driver-opt" || key == "gw-priority") {
      throw Unsupported(
          fmt::format("--network: {} is not possible here: networks are IPv4, and the first one that leads "
                      "outside is the way out",
                      key));
    } else {
      throw UsageError(fmt::format("invalid field key {}", key));
    }
  }
  if (result.name.empty()) throw UsageError("network name/id is not specified");
  return result;
}

void set_networks(RunRequest& request, const std::vector<std::string>& words) {
  std::vector<std::string> defined;
  for (const std::string& word : words) {
    const NetworkWord parsed = parse_network_word(word);
    if (!is_mode(parsed.name)) {
      defined.push_back(word);
      continue;
    }
    request.network = is_private(parsed.name) ? "private" : parsed.name;
    if (!parsed.address.empty()) request.ip = parsed.address;
    if (!parsed.hardware_address.empty()) request.mac_address = parsed.hardware_address;
    std::ranges::copy(parsed.aliases, std::back_inserter(request.network_aliases));
  }
  if (defined.empty()) return;
  if (defined.size() != words.size()) {
    throw UsageError("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  }
  request.network = "defined";
  request.networks = std::move(defined);
}

container::Attachment plan_attachment(const container::Network& network, const NetworkWord& word) {
  container::Attachment attachment{.network = network.id,
                                   .name = network.name,
                                   .address = word.address,
                                   .hardware_address = {},
                                   .aliases = word.aliases,
                                   .links = {}};
  for (const std::string& alias : word.aliases) check_alias(alias);
  if (!word.hardware_address.empty()) attachment.hardware_address = parse_mac_address(word.hardware_address);
  if (word.address.empty()) return attachment;
  const auto address = parse_ipv4(word.address);
  if (!address) throw UsageError(fmt::format("invalid IPv4 address: {}", word.address));
  const Ipv4Range subnet = subnet_of(network);
  if (!subnet.contains(*address)) {
    throw UsageError(
        fmt::format("invalid config for network {}: invalid endpoint settings: no configured subnet "
                    "contains IP address {}",
                    network.name, word.address));
  }
  if (container::reserved_addresses(network).contains(*address)) {
    throw UsageError(fmt::format("network {}: address {} is not one for a container", network.name, word.address));
  }
  return attachment;
}

std::string find_link(const Places& places, const container::Network& network, const std::string& word) {
  const auto colon = word.find(':');
  const std::string name = word.substr(0, colon);
  if (name.empty() || word.find(':', colon == std::string::npos ? word.size() : colon + 1) != std::string::npos) {
    throw UsageError(fmt::format("bad format for links: {}", word));
  }
  const container::Container other = container::ContainerStore(places).find(name);
  if (!container::names_network(other.spec, network)) {
    throw UsageError(fmt::format("cannot link to {}, as it does not belong to the network {}", name, network.name));
  }
  const std::string alias = colon == std::string::npos ? other.spec.name : word.substr(colon + 1);
  check_alias(alias);
  return other.spec.name + ":" + alias;
}

std::vector<container::Attachment> choose_attachments(const Places& places, const RunRequest& request) {
  if (request.network != "defined") return refuse_flags(request), std::vector<container::Attachment>();
  std::vector<container::Attachment> attachments;
  for (const std::string& text : request.networks) {
    NetworkWord word = parse_network_word(text);
    if (attachments.empty()) add_flags(word, request);
    const container::Network network = container::NetworkStore(places).find(word.name);
    const bool is_double =
        std::ranges::find(attachments, network.id, &container::Attachment::network) != attachments.end();
    if (is_double) throw UsageError(fmt::format("network \"{}\" is specified multiple times", word.name));
    attachments.push_back(plan_attachment(network, word));
    if (attachments.size() > 1) continue;
    for (const std::string& link : request.links) {
      attachments.front().links.push_back(find_link(places, network, link));
    }
  }
  return attachments;
}

}  // namespace sandbox::engine
