// A user-defined network: what is kept of it, and what follows from its addresses. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/ipv4.h"
#include "sandbox/base/json_fwd.h"

namespace sandbox::container {

struct Network {
  std::string id;            ///< 64 lower-case hex digits
  std::string name;
  std::int64_t created = 0;  ///< Seconds since the epoch.
  std::uint32_t created_nanoseconds = 0;
  std::string subnet;     ///< "172.18.0.0/16": IPv4, the network's own address
  std::string gateway;    ///< Within it; the first address unless asked otherwise.
  std::string ip_range;   ///< "172.18.5.0/24": where free addresses are taken from; empty: the subnet.
  bool internal = false;  ///< It leads nowhere but to its members.
  int mtu = 65520;        ///< Bytes; option com.docker.network.driver.mtu
  std::map<std::string, std::string> labels, options;
  std::map<std::string, std::string> reserved;  ///< --aux-address: name → an address that no member is given.
  bool attachable = false;                      ///< As Docker's; only shown.
};

Json to_json(const Network& network);
/// Throws InvalidInput naming the field or the fault.
Network network_from_json(const Json& document);

/// Docker's rule: [a-zA-Z0-9][a-zA-Z0-9_.-]*; at most 200 bytes.
bool is_valid_network_name(const std::string& name);
/// What `run --network` means something else by: "bridge", "host", "none", "default", "private", "container".
bool is_predefined_network(std::string_view name);

/// Throws InvalidInput with Docker's words: the addresses are none, or not where they ought to be, or leave none for a
/// member; the MTU is out of range. Precondition: subnet and gateway are not empty.
void check_network(const Network& network);

// Precondition of what follows: check_network().

Ipv4Range subnet_of(const Network& network);
/// Where free addresses are taken from.
Ipv4Range pool_of(const Network& network);
/// The network's name server: the last address of a host in its subnet.
std::string dns_address(const Network& network);
/// No member can have them: the network's own, its broadcast address, gateway and name server, and --aux-address.
std::set<std::uint32_t> reserved_addresses(const Network& network);

/// The first of Docker's default pools, 172.18.0.0/16 … 172.31.0.0/16, 192.168.0.0/20 …, that overlaps none of `taken`.
std::optional<Ipv4Range> choose_subnet(std::span<const Ipv4Range> taken);
/// The destinations in /proc/net/route (proc_pid_net(5)) but for those wider than /8, which are ways to everywhere: the
/// default route, or the two halves of it that VPNs set. Lines that are none are skipped.
std::vector<Ipv4Range> routed_ranges(std::string_view proc_net_route);

}  // namespace sandbox::container
