// Private to this room: who on a network gets which frame. A member has one address of either kind, by which it is
// known: what claims to come from another one goes nowhere, so that nobody can speak for a neighbour or the gateway
// (ARP and IP spoofing, DHCP servers). Nothing is learnt from frames. IPv4 and its ARP alone. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "netstack/frame.h"
#include "sandbox/base/ipv4.h"

namespace sandbox::netstack {

/// An IPv4 address in host byte order, and the interface that has it.
struct Port {
  std::uint32_t address = 0;
  HardwareAddress hardware{};
};

class Switch {
 public:
  struct Network {
    Ipv4Range range;
    std::uint32_t gateway = 0, dns = 0;
  };
  enum class Way { nowhere, member, everyone, outwards };
  struct Verdict {
    Way way = Way::nowhere;
    std::uint32_t member = 0;  ///< With Way::member: its address.
    bool operator==(const Verdict&) const = default;
  };

  explicit Switch(const Network& network) : network_(network) {}

  /// Precondition: nobody has either address.
  void connect(const Port& port) { members_[port.address] = port.hardware; }
  void disconnect(std::uint32_t address) { members_.erase(address); }

  /// Of a frame that came from `sender`. Everyone: but for the sender.
  Verdict route(Frame frame, const Port& sender) const noexcept;
  /// Whose a frame is that came from outside; none: nobody's.
  std::optional<Port> route_inwards(Frame frame) const noexcept;

 private:
  Verdict route_arp(Frame frame, const Port& sender) const noexcept;
  Verdict route_ip(Frame frame, const Port& sender) const noexcept;
  bool is_ours(std::uint32_t address) const noexcept { return address == network_.gateway || address == network_.dns; }

  Network network_;
  std::unordered_map<std::uint32_t, HardwareAddress> members_;
};

}  // namespace sandbox::netstack
