// See switch.h.
#include "netstack/switch.h"

#include <algorithm>

namespace sandbox::netstack {
namespace {

constexpr std::uint16_t kDhcpServer = 67, kDhcpClient = 68;  // RFC 2131

bool is_to(Frame frame, const HardwareAddress& address) { return std::ranges::equal(frame.first(6), address); }
bool is_from(Frame frame, const HardwareAddress& address) { return std::ranges::equal(frame.subspan(6, 6), address); }
/// To several, or all.
bool is_group(Frame frame) { return (frame[0] & 1) != 0; }

bool is_dhcp(Frame frame, const Packet& packet) {
  if (!packet.has_udp_header()) return false;
  const std::uint16_t from = read16(frame, packet.transport), to = read16(frame, packet.transport + 2);
  return from == kDhcpServer || from == kDhcpClient || to == kDhcpServer || to == kDhcpClient;
}

bool is_multicast(std::uint32_t address) { return address >> 28 == 0xe; }

}  // namespace

Switch::Verdict Switch::route(Frame frame, const Port& sender) const noexcept {
  if (frame.size() < kEthernet || !is_from(frame, sender.hardware)) return {};
  switch (read16(frame, 12)) {
    case kTypeArp:
      return route_arp(frame, sender);
    case kTypeIp:
      return route_ip(frame, sender);
    default:
      return {};
  }
}

/// A question goes to the one that it is about alone.
Switch::Verdict Switch::route_arp(Frame frame, const Port& sender) const noexcept {
  const auto message = parse_arp(frame);
  if (!message || message->sender != sender.address || message->sender_hardware != sender.hardware) return {};
  if (is_ours(message->target)) return {Way::outwards};
  const auto target = members_.find(message->target);
  if (target == members_.end() || target->first == sender.address) return {};
  if (!is_to(frame, target->second) && !(message->is_request && is_group(frame))) return {};
  return {Way::member, target->first};
}

Switch::Verdict Switch::route_ip(Frame frame, const Port& sender) const noexcept {
  const auto packet = parse_ip(frame);
  if (!packet || packet->source != sender.address || is_dhcp(frame, *packet)) return {};
  const std::uint32_t to = packet->destination;
  const bool is_for_all = to == 0xffffffff || to == network_.range.last() || is_multicast(to);
  if (is_for_all != is_group(frame)) return {};
  if (is_for_all) return {Way::everyone};
  if (!network_.range.contains(to) || is_ours(to)) return {Way::outwards};
  const auto target = members_.find(to);
  if (target == members_.end() || target->first == sender.address || !is_to(frame, target->second)) return {};
  return {Way::member, target->first};
}

std::optional<Port> Switch::route_inwards(Frame frame) const noexcept {
  if (frame.size() < kEthernet) return {};
  std::optional<std::uint32_t> to;
  if (read16(frame, 12) == kTypeArp) {
    if (const auto message = parse_arp(frame)) to = message->target;
  } else if (read16(frame, 12) == kTypeIp) {
    if (const auto packet = parse_ip(frame)) to = packet->destination;
  }
  const auto member = to ? members_.find(*to) : members_.end();
  if (member == members_.end()) return {};
  return Port{member->first, member->second};
}

}  // namespace sandbox::netstack
