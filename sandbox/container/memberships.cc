// See memberships.h.
#include "sandbox/container/memberships.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/events.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/name_files.h"
#include "sandbox/container/network_store.h"

namespace sandbox::container {
namespace {

constexpr std::size_t kShortId = 12;

std::vector<Network> networks_of(const Places& places, const Spec& spec) {
  std::vector<Network> networks;
  for (const Attachment& attachment : spec.attachments) {
    auto network = NetworkStore(places).find_by_id(attachment.network);
    if (!network) throw NotFound(fmt::format("network {} not found", attachment.name));
    networks.push_back(std::move(*network));
  }
  return networks;
}

/// A container whose networks are all internal has no ports that anybody could reach.
void check_ports(const Spec& spec, const std::vector<Network>& networks) {
  if (spec.ports.empty() || spec.plan.network || networks.empty()) return;
  if (!std::ranges::all_of(networks, &Network::internal)) return;
  throw UsageError(fmt::format("network {} is internal: ports can't be published from it", networks.front().name));
}

/// The content of a file that somebody has bound. Its readers see the old text, or the new one and perhaps an end of
/// the old.
void overwrite(const std::string& path, const std::string& text) {
  const Fd file = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_NOFOLLOW) | or_throw("opening '{}'", path);
  sys::write_all(file.get(), text.data(), text.size()) | or_throw("writing '{}'", path);
  if (::ftruncate(file.get(), static_cast<off_t>(text.size())) < 0) {
    throw SysError(Errno{errno}, fmt::format("cutting off '{}'", path));
  }
}

void write_text(const std::string& path, const std::string& text, bool in_place) {
  if (in_place) return overwrite(path, text);
  write_file_atomic(path, text, false, 0644);
}

}  // namespace

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

std::vector<NetworkPart> parts_of(const std::vector<Network>& networks, bool has_own) {
  std::vector<NetworkPart> parts;
  bool has_way_out = has_own;
  for (const Network& network : networks) {
    const bool is_way_out = !has_way_out && !network.internal;
    // An internal network knows of its members alone, whoever else is asked.
    parts.push_back({.is_way_out = is_way_out, .asks_elsewhere = network.internal || !is_way_out});
    has_way_out = has_way_out || is_way_out;
  }
  return parts;
}

netstack::Joining joining(const Spec& spec, const Attachment& attachment, const std::vector<Endpoint>& before,
                          const NetworkPart& part) {
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
  joining.asks_elsewhere = part.asks_elsewhere;
  if (!part.is_way_out) return joining;
  for (const auto& port : spec.ports) {
    joining.forwards.push_back({port.host_ip, port.host_port, port.container_port, port.udp});
  }
  return joining;
}

const Memberships::One* Memberships::find(const std::string& network) const {
  const auto found = std::ranges::find(all_, network, [](const One& one) { return one.network.id; });
  return found == all_.end() ? nullptr : &*found;
}

/// Of each of the networks: the interface that there is, or the first name that none has.
std::vector<std::string> Memberships::interfaces_for(const Spec& spec, const std::vector<Network>& networks) {
  std::vector<std::string> names, taken;
  for (const One& one : all_) taken.push_back(one.interface);
  for (const Network& network : networks) {
    const One* one = find(network.id);
    std::string name = one != nullptr ? one->interface : std::string();
    for (int number = spec.plan.network ? 1 : 0; name.empty(); ++number) {
      const std::string free = fmt::format("eth{}", number);
      if (std::ranges::find(taken, free) == taken.end()) name = free;
    }
    taken.push_back(name);
    names.push_back(std::move(name));
  }
  return names;
}

std::optional<Error> Memberships::follow(const Spec& spec, const std::vector<Endpoint>& before) {
  const std::vector<Network> networks = networks_of(places_, spec);
  check_ports(spec, networks);
  const std::vector<NetworkPart> parts = parts_of(networks, spec.plan.network.has_value());
  const std::vector<std::string> interfaces = interfaces_for(spec, networks);
  std::optional<Error> failure;
  std::vector<std::optional<One>> wanted(networks.size());
  const auto join = [&](std::size_t i) {
    try {
      netstack::Membership membership(networks_directory(places_), served(networks[i]),
                                      joining(spec, spec.attachments[i], before, parts[i]));
      wanted[i].emplace(One{networks[i], parts[i], std::move(membership), interfaces[i], false});
    } catch (const Error& error) {
      if (!failure) failure = error;
    }
  };
  for (One& one : std::exchange(all_, {})) {
    const auto place = std::ranges::find(networks, one.network.id, &Network::id);
    const auto i = static_cast<std::size_t>(place - networks.begin());
    if (place != networks.end() && parts[i] == one.part) {
      wanted[i].emplace(std::move(one));
    } else {
      leave(spec, one);
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i]) join(i);
    if (wanted[i]) all_.push_back(std::move(*wanted[i]));
  }
  return failure;
}

std::vector<userns::NetworkInterface> Memberships::interfaces() const {
  std::vector<userns::NetworkInterface> interfaces;
  for (const One& one : all_) {
    if (one.connected) continue;
    const auto& lease = one.membership.lease();
    interfaces.push_back({.name = one.interface,
                          .address = lease.address,
                          .prefix = subnet_of(one.network).prefix,
                          .gateway = one.part.is_way_out ? one.network.gateway : std::string(),
                          .mtu = one.network.mtu,
                          .hardware_address = lease.hardware_address});
  }
  return interfaces;
}

void Memberships::connect(const Spec& spec, std::vector<Fd> nics) {
  auto nic = nics.begin();
  for (One& one : all_) {
    if (one.connected) continue;
    if (nic == nics.end()) throw Error("not every network has got its interface");
    if (Fd outer = std::move(*nic++)) connect(spec, one, std::move(outer));
  }
}

void Memberships::connect(const Spec& spec, One& one, Fd nic) {
  auto ports = one.membership.connect(std::move(nic));
  if (one.part.is_way_out) host_ports_ = std::move(ports);
  one.connected = true;
  record(spec, one, "connect");
}

void Memberships::give_up_unconnected(const Spec& spec) {
  for (One& one : all_) {
    if (!one.connected) leave(spec, one);
  }
  std::erase_if(all_, [](const One& one) { return !one.connected; });
}

std::vector<int> Memberships::channels() const {
  std::vector<int> channels;
  for (const One& one : all_) channels.push_back(one.membership.channel());
  return channels;
}

std::string Memberships::forget(int channel) {
  const auto lost = std::ranges::find(all_, channel, [](const One& one) { return one.membership.channel(); });
  if (lost == all_.end()) return {};
  std::string name = lost->network.name;
  if (lost->part.is_way_out) host_ports_.clear();
  all_.erase(lost);
  return name;
}

void Memberships::leave(const Spec& spec, One& one) {
  one.membership.leave();
  if (one.part.is_way_out) host_ports_.clear();
  if (one.connected) record(spec, one, "disconnect");
}

void Memberships::leave(const Spec& spec) {
  for (One& one : all_) leave(spec, one);
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

/// Whom it asks in turn (resolv.conf(5)): first those networks that answer for the names of their members alone, last
/// the one that knows of everything else, or in its place whom the user has named.
std::vector<std::string> Memberships::name_servers(const Spec& spec) const {
  std::vector<std::string> servers;
  std::vector<std::string> last = spec.name_service.servers;
  for (const One& one : all_) {
    const bool is_last = one.part.is_way_out;
    if (!is_last) servers.push_back(dns_address(one.network));
    if (is_last && last.empty()) last.push_back(dns_address(one.network));
  }
  if (spec.plan.network && last.empty()) last.push_back(netstack::Config().dns);
  servers.insert(servers.end(), last.begin(), last.end());
  return servers;
}

void Memberships::write_files(const std::string& directory, const Spec& spec, bool in_place) const {
  HostsFile hosts{.base = {},
                  .own_addresses = {},
                  .hostname = spec.plan.hostname.empty() ? host_name() : spec.plan.hostname,
                  .gateway = netstack::Config().gateway};
  if (spec.plan.network) hosts.own_addresses.push_back(spec.plan.network->address);
  for (const One& one : all_) {
    hosts.own_addresses.push_back(one.membership.lease().address);
    if (one.part.is_way_out) hosts.gateway = one.network.gateway;
  }
  const std::string host_text = path_exists("/etc/resolv.conf") ? read_file("/etc/resolv.conf") : std::string();
  NameService names = spec.name_service;
  names.servers = name_servers(spec);
  write_text(directory + "/hosts", render_hosts(hosts, names), in_place);
  write_text(directory + "/resolv.conf", render_resolv_conf(host_text, {}, names), in_place);
}

void Memberships::record(const Spec& spec, const One& one, const char* action) const {
  record_event(
      places_.data,
      {"network", action, one.network.id, {{"container", spec.id}, {"name", one.network.name}, {"type", "bridge"}}, 0});
}

}  // namespace sandbox::container
