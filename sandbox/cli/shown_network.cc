// See shown_network.h.
#include "sandbox/cli/shown_network.h"

#include <algorithm>

#include "netstack/netstack.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/engine/shared_namespaces.h"

namespace sandbox::cli {
namespace {

ShownNetwork predefined(const char* name, std::string_view driver) {
  ShownNetwork made{.network = {}, .driver = driver, .is_predefined = true};
  made.network.name = name;
  made.network.id = predefined_network_id(name);
  return made;
}

/// What each container has for itself stands for Docker's first network.
std::vector<ShownNetwork> predefined_networks() {
  ShownNetwork own = predefined("bridge", "bridge");
  const netstack::Config config;
  own.network.subnet = ipv4_range_of(parse_ipv4(config.gateway).value(), config.prefix).text();
  own.network.gateway = config.gateway;
  return {own, predefined("host", "host"), predefined("none", "null")};
}

}  // namespace

// The same everywhere and always.
std::string predefined_network_id(std::string_view name) {
  return std::string(hex_of(sha256_digest(fmt::format("network {}", name))));
}

std::vector<std::string> network_names(const container::SpecHead& spec) {
  std::vector<std::string> names;
  if (engine::names_container(spec.network)) return names;  // it is on those of another container
  if (spec.attachments.empty() || spec.network == "bridge") names.push_back(spec.network);
  for (const container::Attachment& one : spec.attachments) names.push_back(one.name);
  return names;
}

std::vector<ShownNetwork> shown_networks(const container::NetworkStore& store) {
  std::vector<ShownNetwork> networks = predefined_networks();
  for (container::Network& one : store.list()) networks.push_back({.network = std::move(one)});
  std::ranges::sort(networks, {}, [](const ShownNetwork& one) { return std::string_view(one.network.name); });
  return networks;
}

ShownNetwork find_network(const container::NetworkStore& store, const std::string& word) {
  const auto others = predefined_networks();
  for (const ShownNetwork& one : others) {
    if (one.network.name == word) return one;
  }
  try {
    return {.network = store.find(word)};
  } catch (const NotFound&) {
    for (const ShownNetwork& one : others) {
      if (!word.empty() && one.network.id.starts_with(word)) return one;
    }
    throw;
  }
}

}  // namespace sandbox::cli
