// Private to this room: who is on a network, by address and by name. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "netstack/dns.h"
#include "sandbox/base/ipv4.h"

namespace sandbox::netstack {

/// Gives out the addresses of a range in turn, so that one that has become free is not at once somebody else's.
class AddressPool {
 public:
  /// `kept`: addresses of the network that no member gets, beside its first and last one.
  AddressPool(const Ipv4Range& network, const Ipv4Range& range, std::set<std::uint32_t> kept);

  bool is_free(std::uint32_t address) const;
  bool take(std::uint32_t address);  ///< False: it is not free.
  std::optional<std::uint32_t> take_any();
  void give_back(std::uint32_t address) { taken_.erase(address); }

 private:
  Ipv4Range network_, range_;
  std::set<std::uint32_t> kept_, taken_;
  std::uint32_t next_;
};

/// The names of a network's members. Case doesn't matter.
class Names {
 public:
  explicit Names(std::string network) : network_(std::move(network)) {}

  void add(std::uint32_t address, const std::vector<std::string>& names);
  void remove(std::uint32_t address);

  /// None: the question is for others. `links` are the asker's own: name → one of a member's.
  std::optional<DnsAnswer> answer(const DnsQuestion& question, const std::map<std::string, std::string>& links) const;

 private:
  std::vector<std::uint32_t> addresses_of(const std::string& name) const;

  std::string network_;
  std::map<std::uint32_t, std::vector<std::string>> names_;
};

std::string lower_case(std::string text);

}  // namespace sandbox::netstack
