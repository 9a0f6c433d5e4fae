// A network's document; see inspect_document.h.
#include <algorithm>

#include "sandbox/base/digest.h"
#include "sandbox/cli/inspect_document.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

using container::Container;
using container::Endpoint;
using container::Network;

/// The container's end of the network; none while it is not on it.
std::optional<Endpoint> end_on(const ShownNetwork& shown, const Container& container) {
  if (!container::is_up(container.state)) return {};
  if (!shown.is_predefined) {
    const auto end = std::ranges::find(container.state.endpoints, shown.network.id, &Endpoint::network);
    return end == container.state.endpoints.end() ? std::nullopt : std::optional(*end);
  }
  if (container.spec.network != shown.network.name) return {};
  Endpoint end{.network = shown.network.id,
               .interface = {},
               .address = {},
               .gateway = {},
               .hardware_address = {}};
  if (const auto& own = container.spec.plan.network) {
    end.address = own->address;
    end.prefix = own->prefix;
    end.hardware_address = own->hardware_address;
  }
  return end;
}

OrderedJson members_of(const ShownNetwork& shown, const std::vector<Container>& containers) {
  OrderedJson members = OrderedJson::object();
  for (const Container& one : containers) {
    const auto end = end_on(shown, one);
    if (!end) continue;
    members[one.spec.id] = {
        {"Name", one.spec.name},
        {"EndpointID", endpoint_id(one.spec.id, shown.network.id)},
        {"MacAddress", end->hardware_address},
        {"IPv4Address", end->address.empty() ? "" : fmt::format("{}/{}", end->address, end->prefix)},
        {"IPv6Address", ""}};
  }
  return members;
}

OrderedJson addresses_of(const Network& network) {
  if (network.subnet.empty()) return OrderedJson::array();
  OrderedJson addresses = {{"Subnet", network.subnet}};
  if (!network.ip_range.empty()) addresses["IPRange"] = network.ip_range;
  addresses["Gateway"] = network.gateway;
  if (!network.reserved.empty()) addresses["AuxiliaryAddresses"] = network.reserved;
  return OrderedJson::array({addresses});
}

}  // namespace

std::string endpoint_id(const std::string& container_id, const std::string& network_id) {
  return std::string(hex_of(sha256_digest(container_id + network_id)));
}

OrderedJson inspected(const ShownNetwork& shown, const std::vector<Container>& containers) {
  const Network& network = shown.network;
  return {{"Name", network.name},
          {"Id", network.id},
          {"Created", engine::format_time(network.created)},
          {"Scope", "local"},
          {"Driver", shown.driver},
          {"EnableIPv4", true},
          {"EnableIPv6", false},
          {"IPAM", {{"Driver", "default"}, {"Options", nullptr}, {"Config", addresses_of(network)}}},
          {"Internal", network.internal},
          {"Attachable", network.attachable},
          {"Ingress", false},
          {"ConfigFrom", {{"Network", ""}}},
          {"ConfigOnly", false},
          {"Containers", members_of(shown, containers)},
          {"Options", network.options},
          {"Labels", network.labels}};
}

}  // namespace sandbox::cli
