// See network.h.
#include "sandbox/container/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/json_fields.h"

namespace sandbox::container {

template <class A>
void describe(A& field, Described<Network> auto& network) {
  field("id", network.id);
  field("name", network.name);
  field("created", network.created);
  field("created_nanoseconds", network.created_nanoseconds);
  field("subnet", network.subnet);
  field("gateway", network.gateway);
  field("ip_range", network.ip_range);
  field("internal", network.internal);
  field("mtu", network.mtu);
  field("labels", network.labels);
  field("options", network.options);
  field("reserved", network.reserved);
  field("attachable", network.attachable);
}

namespace {

constexpr int kVersion = 1;
constexpr const char* kWhat = "network description";
constexpr std::size_t kMostNameBytes = 200;  // with what write_file_atomic() adds it has to fit into NAME_MAX
constexpr int kIdDigits = 64;

// What libslirp takes as a network's prefix, but for /30: gateway and name server have both of its addresses.
constexpr int kLeastPrefix = 8, kMostPrefix = 29;
// As the network helper's bounds: what libslirp and a tap take.
constexpr int kLeastMtu = 68, kMostMtu = 65520;

constexpr Ipv4Range kThisHost{0, 8};               // 0.0.0.0/8
constexpr Ipv4Range kLoopback{0x7f000000, 8};      // 127.0.0.0/8
constexpr Ipv4Range kMulticast{0xe0000000, 3};     // 224.0.0.0/3: also what is reserved, and 255.255.255.255
constexpr Ipv4Range kFirstPool{0xac120000, 16};    // 172.18.0.0/16
constexpr Ipv4Range kSecondPool{0xc0a80000, 16};   // 192.168.0.0/16
constexpr std::uint32_t kLastOfFirstPools = 0xac1fffff;
constexpr int kSecondPrefix = 20;

std::uint32_t next_to(const Ipv4Range& range) { return range.last() + 1; }

Ipv4Range checked_range(const char* what, const std::string& text) {
  const auto range = parse_ipv4_range(text);
  if (!range) throw InvalidInput(fmt::format("invalid {} {}: invalid CIDR block notation", what, text));
  if (range->text() != text) {
    throw InvalidInput(fmt::format("invalid {} {}: it should be {}", what, text, range->text()));
  }
  return *range;
}

std::uint32_t checked_address(const char* what, const std::string& text, const Ipv4Range& subnet) {
  const auto address = parse_ipv4(text);
  if (!address) throw InvalidInput(fmt::format("invalid {} {}: invalid address", what, text));
  if (!subnet.contains(*address)) throw InvalidInput(fmt::format("no matching subnet for {} {}", what, text));
  if (*address == subnet.first || *address == subnet.last()) {
    throw InvalidInput(fmt::format("invalid {} {}: it is the network's own or its broadcast address", what, text));
  }
  return *address;
}

void check_subnet(const Ipv4Range& subnet) {
  if (subnet.prefix < kLeastPrefix || subnet.prefix > kMostPrefix) {
    throw InvalidInput(fmt::format("invalid subnet {}: its prefix is not within {} to {}", subnet.text(), kLeastPrefix,
                                   kMostPrefix));
  }
  for (const Ipv4Range& other : {kThisHost, kLoopback, kMulticast}) {
    if (subnet.overlaps(other)) {
      throw InvalidInput(fmt::format("invalid subnet {}: no host's addresses are in {}", subnet.text(), other.text()));
    }
  }
}

bool has_free_address(const Network& network) {
  const Ipv4Range pool = pool_of(network);
  const auto reserved = reserved_addresses(network);
  std::uint32_t address = pool.first;
  while (address < pool.last() && reserved.contains(address)) ++address;
  return !reserved.contains(address);
}

/// The words of a line.
std::vector<std::string_view> words_in(std::string_view line) {
  constexpr const char* blanks = " \t";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(blanks); at != line.npos; at = line.find_first_not_of(blanks, at)) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

/// An address as the kernel prints it there: its bytes in memory as one number.
std::optional<std::uint32_t> kernels_address(std::string_view text) {
  constexpr int hexadecimal = 16;
  std::uint32_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number, hexadecimal);
  if (error != std::errc() || stop != text.data() + text.size()) return {};
  return ntohl(number);
}

}  // namespace

Json to_json(const Network& network) { return write_versioned(network, kVersion); }

Network network_from_json(const Json& document) {
  Network network = read_versioned<Network>(document, kWhat, kVersion);
  const JsonReader reader(document, kWhat, "");
  if (!is_hex(network.id, kIdDigits)) reader.fail("id", "is not 64 lower-case hexadecimal digits");
  if (!is_valid_network_name(network.name)) reader.fail("name", "is not a valid network name");
  try {
    check_network(network);
  } catch (const InvalidInput& error) {
    throw InvalidInput(fmt::format("{}: {}", kWhat, error.what()));
  }
  return network;
}

bool is_valid_network_name(const std::string& name) {
  return name.size() <= kMostNameBytes && is_valid_name(name + "-");  // which wants two bytes
}

bool is_predefined_network(std::string_view name) {
  static constexpr std::string_view names[] = {"bridge", "host", "none", "default", "private", "container"};
  return std::ranges::find(names, name) != std::end(names);
}

void check_network(const Network& network) {
  const Ipv4Range subnet = checked_range("subnet", network.subnet);
  check_subnet(subnet);
  const std::uint32_t gateway = checked_address("gateway", network.gateway, subnet);
  if (!network.ip_range.empty() && !subnet.contains(checked_range("ip-range", network.ip_range))) {
    throw InvalidInput(fmt::format("no matching subnet for range {}", network.ip_range));
  }
  for (const auto& [name, address] : network.reserved) (void)checked_address("aux-address", address, subnet);
  if (gateway == subnet.last() - 1) {
    throw InvalidInput(fmt::format("invalid gateway {}: the network's name server has this address", network.gateway));
  }
  if (!has_free_address(network)) {
    throw InvalidInput(fmt::format("{} has no address for a container", pool_of(network).text()));
  }
  if (network.mtu < kLeastMtu || network.mtu > kMostMtu) {
    throw InvalidInput(fmt::format("invalid MTU {}: it is not within {} to {}", network.mtu, kLeastMtu, kMostMtu));
  }
}

Ipv4Range subnet_of(const Network& network) { return parse_ipv4_range(network.subnet).value(); }

Ipv4Range pool_of(const Network& network) {
  return parse_ipv4_range(network.ip_range.empty() ? network.subnet : network.ip_range).value();
}

std::string dns_address(const Network& network) { return ipv4_text(subnet_of(network).last() - 1); }

std::set<std::uint32_t> reserved_addresses(const Network& network) {
  const Ipv4Range subnet = subnet_of(network);
  std::set<std::uint32_t> reserved = {subnet.first, subnet.last() - 1, subnet.last()};
  reserved.insert(parse_ipv4(network.gateway).value());
  for (const auto& [name, address] : network.reserved) reserved.insert(parse_ipv4(address).value());
  return reserved;
}

std::optional<Ipv4Range> choose_subnet(std::span<const Ipv4Range> taken) {
  const auto is_free = [&](const Ipv4Range& range) {
    return std::ranges::none_of(taken, [&](const Ipv4Range& one) { return one.overlaps(range); });
  };
  for (Ipv4Range range = kFirstPool; range.first < kLastOfFirstPools; range.first = next_to(range)) {
    if (is_free(range)) return range;
  }
  for (Ipv4Range range{kSecondPool.first, kSecondPrefix}; kSecondPool.contains(range); range.first = next_to(range)) {
    if (is_free(range)) return range;
  }
  return {};
}

std::vector<Ipv4Range> routed_ranges(std::string_view proc_net_route) {
  constexpr std::size_t destination = 1, mask = 7;
  std::vector<Ipv4Range> ranges;
  while (!proc_net_route.empty()) {
    const std::size_t end = std::min(proc_net_route.find('\n'), proc_net_route.size());
    const auto words = words_in(proc_net_route.substr(0, end));
    proc_net_route.remove_prefix(std::min(end + 1, proc_net_route.size()));
    if (words.size() <= mask) continue;
    const auto first = kernels_address(words[destination]), bits = kernels_address(words[mask]);
    if (!first || !bits || std::popcount(*bits) < kLeastPrefix) continue;
    ranges.push_back(ipv4_range_of(*first, std::popcount(*bits)));
  }
  return ranges;
}

}  // namespace sandbox::container
