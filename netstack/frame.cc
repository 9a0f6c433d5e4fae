// See frame.h. Runs in the network helpers on bytes that a container's root wrote.
#include "netstack/frame.h"

#include <algorithm>

namespace sandbox::netstack {
namespace {

constexpr unsigned kAck = 0x10, kReset = 0x04;
constexpr std::size_t kArp = 28;  // of IPv4 over Ethernet

/// The first bytes of an IPv4 packet without options, of `size` bytes, from the one who `asked` went to.
void write_ip_back(FrameBuffer ip, std::size_t size, std::uint8_t protocol, const Packet& asked) noexcept {
  write32(ip, 0, 0x45000000U | static_cast<std::uint32_t>(size));  // version, header length; length
  write32(ip, 4, 0x00004000U);                                     // not to be fragmented
  write32(ip, 8, std::uint32_t{64} << 24 | std::uint32_t{protocol} << 16);
  write32(ip, 12, asked.destination);
  write32(ip, 16, asked.source);
  write16(ip, 10, folded(added(ip.first(kSmallestIp), 0)));
}

void write_ethernet_back(FrameBuffer frame, Frame asked) noexcept {
  std::ranges::copy(asked.subspan(6, 6), frame.begin());
  std::ranges::copy(asked.first(6), frame.begin() + 6);
  write16(frame, 12, kTypeIp);
}

}  // namespace

std::uint32_t added(Frame bytes, std::uint32_t sum) noexcept {
  for (std::size_t at = 0; at < bytes.size(); at += 2) sum += read16(bytes, at);
  return sum;
}

std::uint16_t folded(std::uint32_t sum) noexcept {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::optional<Packet> parse_ip(Frame frame) noexcept {
  if (frame.size() < kEthernet + kSmallestIp || frame[kEthernet] >> 4 != 4) return std::nullopt;
  const std::size_t header = std::size_t{frame[kEthernet] & 0x0fU} * 4;
  const std::size_t length = read16(frame, kEthernet + 2);
  if (header < kSmallestIp || length < header || frame.size() - kEthernet < length) return std::nullopt;
  Packet packet;
  packet.source = read32(frame, kIpSource);
  packet.destination = read32(frame, kIpSource + 4);
  packet.protocol = frame[kEthernet + 9];
  const std::uint16_t fragment = read16(frame, kEthernet + 6);
  packet.first = (fragment & 0x1fff) == 0;                  // its offset
  packet.whole = packet.first && (fragment & 0x2000) == 0;  // and no more to come
  packet.transport = kEthernet + header;
  packet.end = kEthernet + length;
  return packet;
}

std::optional<ArpMessage> parse_arp(Frame frame) noexcept {
  if (frame.size() < kEthernet + kArp) return std::nullopt;
  const Frame arp = frame.subspan(kEthernet, kArp);
  const std::uint16_t operation = read16(arp, 6);
  const bool is_known = read16(arp, 0) == 1 && read16(arp, 2) == kTypeIp && arp[4] == 6 && arp[5] == 4;
  if (!is_known || (operation != 1 && operation != 2)) return std::nullopt;
  ArpMessage message{.is_request = operation == 1, .sender = read32(arp, 14), .target = read32(arp, 24)};
  std::ranges::copy(arp.subspan(8, 6), message.sender_hardware.begin());
  return message;
}

ResetFrame reset_for(Frame frame, const Packet& packet) noexcept {
  ResetFrame reset{};
  const Frame segment = frame.subspan(packet.transport, packet.end - packet.transport);
  const std::size_t header = std::min((std::size_t{segment[12]} >> 4) * 4, segment.size());
  const bool acknowledges = (segment[kTcpFlags] & kAck) != 0;
  // It acknowledges all that came: the SYN counts for one.
  const auto acknowledged = read32(segment, 4) + static_cast<std::uint32_t>(segment.size() - header) + 1;
  write_ethernet_back(reset, frame);
  const std::span ip = std::span(reset).subspan(kEthernet), tcp = ip.subspan(kSmallestIp);
  write_ip_back(ip, ip.size(), IPPROTO_TCP, packet);
  write16(tcp, 0, read16(segment, 2));
  write16(tcp, 2, read16(segment, 0));
  write32(tcp, 4, acknowledges ? read32(segment, 8) : 0);
  write32(tcp, 8, acknowledges ? 0 : acknowledged);
  write32(tcp, 12, 0x50000000U | (acknowledges ? kReset : kReset | kAck) << 16);  // header length, flags, no window
  write32(tcp, 16, 0);
  const std::uint32_t pseudo = added(ip.subspan(12, 8), IPPROTO_TCP + std::uint32_t{kTcpHeader});
  write16(tcp, 16, folded(added(tcp, pseudo)));
  return reset;
}

FrameBuffer datagram_back(FrameBuffer frame, Frame asked, const Packet& packet, std::size_t payload) noexcept {
  write_ethernet_back(frame, asked);
  const FrameBuffer ip = frame.subspan(kEthernet), udp = ip.subspan(kSmallestIp);
  write_ip_back(ip, kSmallestIp + kUdpHeader + payload, IPPROTO_UDP, packet);
  write16(udp, 0, read16(asked, packet.transport + 2));
  write16(udp, 2, read16(asked, packet.transport));
  write16(udp, 4, static_cast<std::uint16_t>(kUdpHeader + payload));
  write16(udp, 6, 0);  // none is made (RFC 768)
  return frame.first(kDatagramHeaders + payload);
}

}  // namespace sandbox::netstack
