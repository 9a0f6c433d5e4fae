// See memberships.h.
#include "sandbox/container/memberships.h"

#include <algorithm>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/events.h"
#include "sandbox/base/file.h"
#include "sandbox/container/name_files.h"
#include "sandbox/container/network_store.h"

namespace sandbox::container {
namespace {

constexpr std::size_t kShortId = 12;

netstack::Network served(const Network& network) {
  netstack::Network result{.id = network.id,
                           .name = network.name,
                           .subnet = network.subnet,
                           .range = pool_of(network).text(),
                           .gateway = network.gateway,
                           .dns = dns_address(network),
                           .reserved = {},
                           .mtu = network.mtu,
                           .internal = network.internal};
  for (const std::uint32_t address : reserved_addresses(network)) result.reserved.push_back(ipv4_text(address));
  return result;
}

std::vector<Network> networks_of(const Places& places, const Spec& spec) {
  std::vector<Network> networks;
  for (const Attachment& attachment : spec.attachments) {
    auto network = NetworkStore(places).find_by_id(attachment.network);
    if (!network) throw NotFound(fmt::format("network {} not found", attachment.name));
    networks.push_back(std::move(*network));
  }
  return networks;
}

}  // namespace

std::string networks_directory(const Places& places) { return places.runtime + "/networks"; }

netstack::Joining joining(const Spec& spec, const Attachment& attachment, const std::vector<Endpoint>& before,
                          bool publishes) {
  netstack::Joining joining;
  joining.names.push_back(spec.name);
  joining.names.insert(joining.names.end(), attachment.aliases.begin(), attachment.aliases.end());
  joining.names.push_back(spec.id.substr(0, kShortId));
  for (const std::string& link : attachment.links) {
    const auto colon = link.find(':');
    joining.links[link.substr(colon + 1)] = link.substr(0, colon);
  }
  joining.address = attachment.address;
  joining.address_is_needed = !attachment.address.empty();
  const auto last = std::ranges::find(before, attachment.network, &Endpoint::network);
  if (joining.address.empty() && last != before.end()) joining.address = last->address;
  joining.hardware_address = attachment.hardware_address;
  joining.name_servers = spec.name_service.servers;
  if (!publishes) return joining;
  for (const auto& port : spec.ports) {
    joining.forwards.push_back({port.host_ip, port.host_port, port.container_port, port.udp});
  }
  return joining;
}

Memberships::Memberships(const Places& places, const Spec& spec, const std::vector<Endpoint>& before)
    : own_(spec.plan.network) {
  std::vector<Network> networks = networks_of(places, spec);
  const auto outwards = std::ranges::find(networks, false, &Network::internal);
  const auto publishing = static_cast<std::size_t>(outwards == networks.end() ? 0 : outwards - networks.begin());
  for (std::size_t i = 0; i < networks.size(); ++i) {
    netstack::Joining what = joining(spec, spec.attachments[i], before, !own_ && i == publishing);
    what.asks_elsewhere = own_ || i != publishing;  // see name_servers()
    netstack::Membership membership(networks_directory(places), served(networks[i]), what);
    all_.push_back({std::move(networks[i]), std::move(membership), fmt::format("eth{}", own_ ? i + 1 : i)});
  }
}

/// The network that the default route goes through; nullptr: none of these.
const Memberships::One* Memberships::way_out() const {
  if (own_) return nullptr;
  const auto found = std::ranges::find_if(all_, [](const One& one) { return !one.network.internal; });
  return found == all_.end() ? nullptr : &*found;
}

/// Whom it asks in turn (resolv.conf(5)): first those networks that answer for the names of their members alone, last
/// the one that knows of everything else, or in its place whom the user has named.
std::vector<std::string> Memberships::name_servers(const NameService& names) const {
  const One* const last = own_ ? nullptr : way_out() != nullptr ? way_out() : &all_.front();
  std::vector<std::string> servers;
  for (const One& one : all_) {
    if (&one != last) servers.push_back(dns_address(one.network));
  }
  if (names.servers.empty()) {
    servers.push_back(last != nullptr ? dns_address(last->network) : netstack::Config().dns);
  } else {
    servers.insert(servers.end(), names.servers.begin(), names.servers.end());
  }
  return servers;
}

std::vector<userns::NetworkInterface> Memberships::interfaces() const {
  std::vector<userns::NetworkInterface> interfaces;
  for (const One& one : all_) {
    const auto& lease = one.membership.lease();
    interfaces.push_back({.name = one.interface,
                          .address = lease.address,
                          .prefix = subnet_of(one.network).prefix,
                          .gateway = &one == way_out() ? one.network.gateway : std::string(),
                          .mtu = one.network.mtu,
                          .hardware_address = lease.hardware_address});
  }
  return interfaces;
}

std::vector<Endpoint> Memberships::endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const One& one : all_) {
    const auto& lease = one.membership.lease();
    endpoints.push_back({.network = one.network.id,
                         .interface = one.interface,
                         .address = lease.address,
                         .gateway = one.network.internal ? std::string() : one.network.gateway,
                         .prefix = subnet_of(one.network).prefix,
                         .hardware_address = lease.hardware_address});
  }
  return endpoints;
}

void Memberships::write_files(const std::string& directory, const Spec& spec) const {
  HostsFile hosts{.base = {},
                  .own_addresses = {},
                  .hostname = spec.plan.hostname.empty() ? host_name() : spec.plan.hostname,
                  .gateway = all_.front().network.gateway};
  if (const One* out = way_out()) hosts.gateway = out->network.gateway;
  if (own_) {
    hosts.gateway = own_->gateway;
    hosts.own_addresses.push_back(own_->address);
  }
  for (const One& one : all_) hosts.own_addresses.push_back(one.membership.lease().address);
  const std::string host_text = path_exists("/etc/resolv.conf") ? read_file("/etc/resolv.conf") : std::string();
  write_file_atomic(directory + "/hosts", render_hosts(hosts, spec.name_service), false, 0644);
  NameService names = spec.name_service;
  names.servers = name_servers(names);
  write_file_atomic(directory + "/resolv.conf", render_resolv_conf(host_text, {}, names), false, 0644);
}

std::vector<std::uint16_t> Memberships::connect(std::vector<Fd> nics) {
  if (nics.size() != all_.size()) throw Error("not every network has got its interface");
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const auto some = all_[i].membership.connect(std::move(nics[i]));
    ports.insert(ports.end(), some.begin(), some.end());
  }
  return ports;
}

void Memberships::leave() {
  for (One& one : all_) one.membership.leave();
}

void Memberships::record(const Places& places, const Spec& spec, const char* action) const {
  for (const One& one : all_) {
    record_event(places.data, {"network",
                               action,
                               one.network.id,
                               {{"container", spec.id}, {"name", one.network.name}, {"type", "bridge"}},
                               0});
  }
}

}  // namespace sandbox::container
