// A network's document; see inspect_document.h.
#include <algorithm>

#include "sandbox/base/digest.h"
#include "sandbox/cli/inspect_document.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

using container::Attachment;
using container::Container;
using container::Endpoint;
using container::Network;

/// The container's end of a network that a user has made; none while it is not on it.
std::optional<Endpoint> end_on(const std::string& network_id, const Container& container) {
  if (container.state.status != container::Status::running) return {};
  const auto& ends = container.state.endpoints;
  const auto end = std::ranges::find(ends, network_id, &Endpoint::network);
  return end == ends.end() ? std::nullopt : std::optional(*end);
}

/// The same of "bridge", "host" or "none".
std::optional<Endpoint> end_on_predefined(const std::string& name, const Container& container) {
  const container::Spec& spec = container.spec;
  const auto names = network_names(spec);
  const bool running = container.state.status == container::Status::running;
  if (!running || std::ranges::find(names, name) == names.end()) return {};
  Endpoint end{.network = {}, .interface = {}, .address = {}, .gateway = {}, .hardware_address = {}};
  if (const auto& own = spec.plan.network) {
    end.address = own->address;
    end.gateway = own->gateway;
    end.prefix = own->prefix;
    end.hardware_address = own->hardware_address;
  }
  return end;
}

OrderedJson members_of(const ShownNetwork& shown, const std::vector<Container>& containers) {
  OrderedJson members = OrderedJson::object();
  for (const Container& one : containers) {
    const auto end = shown.is_predefined ? end_on_predefined(shown.network.name, one) : end_on(shown.network.id, one);
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

/// Of one container on a network. No end: it does not run. No attachment: the network is none that a user has made.
OrderedJson end_document(const Container& container, const std::string& network_id, const Endpoint* end,
                         const Attachment* attachment) {
  const container::Spec& spec = container.spec;
  OrderedJson document = {{"IPAMConfig", nullptr}, {"Links", nullptr},      {"Aliases", nullptr},
                          {"MacAddress", ""},      {"DriverOpts", nullptr}, {"NetworkID", network_id},
                          {"EndpointID", ""},      {"Gateway", ""},         {"IPAddress", ""},
                          {"IPPrefixLen", 0},      {"IPv6Gateway", ""},     {"GlobalIPv6Address", ""},
                          {"GlobalIPv6PrefixLen", 0}, {"DNSNames", nullptr}};
  if (end != nullptr) {
    document["EndpointID"] = endpoint_id(spec.id, network_id);
    document["MacAddress"] = end->hardware_address;
    document["Gateway"] = end->gateway;
    document["IPAddress"] = end->address;
    document["IPPrefixLen"] = end->prefix;
  }
  if (attachment == nullptr) return document;
  if (!attachment->address.empty()) document["IPAMConfig"] = {{"IPv4Address", attachment->address}};
  if (!attachment->links.empty()) document["Links"] = attachment->links;
  if (!attachment->aliases.empty()) document["Aliases"] = attachment->aliases;
  std::vector<std::string> names = {spec.name};
  names.insert(names.end(), attachment->aliases.begin(), attachment->aliases.end());
  names.push_back(short_id(spec.id));
  document["DNSNames"] = names;
  return document;
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

OrderedJson inspected_networks(const Container& container) {
  const container::Spec& spec = container.spec;
  OrderedJson networks = OrderedJson::object();
  if (spec.shared_namespaces.contains("network")) return networks;  // it has those of another container
  if (spec.plan.network || spec.attachments.empty()) {
    const std::string name = spec.plan.network ? "bridge" : spec.network;
    const auto end = end_on_predefined(name, container);
    networks[name] = end_document(container, predefined_network_id(name), end ? &*end : nullptr, nullptr);
  }
  for (const Attachment& attachment : spec.attachments) {
    const auto end = end_on(attachment.network, container);
    networks[attachment.name] = end_document(container, attachment.network, end ? &*end : nullptr, &attachment);
  }
  return networks;
}

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
