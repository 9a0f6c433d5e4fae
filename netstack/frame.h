// Private to this room: Ethernet frames with IPv4 in them, byte for byte. Formats: RFC 826 (ARP), RFC 791 (IPv4),
// RFC 768 (UDP), RFC 9293 (TCP), RFC 1071 (checksums). Precondition of what reads at an offset: it is in the frame.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sandbox::netstack {

using Frame = std::span<const std::uint8_t>;
using FrameBuffer = std::span<std::uint8_t>;
using HardwareAddress = std::array<std::uint8_t, 6>;

constexpr std::size_t kEthernet = 14, kSmallestIp = 20, kUdpHeader = 8, kTcpHeader = 20;
constexpr std::size_t kTcpFlags = 13, kIpSource = kEthernet + 12;
constexpr std::uint16_t kTypeIp = 0x0800, kTypeArp = 0x0806;
constexpr std::size_t kLargestFrame = 65536 + 64;

inline std::uint16_t read16(Frame bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
inline std::uint32_t read32(Frame bytes, std::size_t at) noexcept {
  return std::uint32_t{read16(bytes, at)} << 16 | read16(bytes, at + 2);
}
inline void write16(FrameBuffer bytes, std::size_t at, std::uint16_t value) noexcept {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
inline void write32(FrameBuffer bytes, std::size_t at, std::uint32_t value) noexcept {
  write16(bytes, at, static_cast<std::uint16_t>(value >> 16));
  write16(bytes, at + 2, static_cast<std::uint16_t>(value));
}

/// The sum of RFC 1071 over an even number of bytes, to be gone on with.
std::uint32_t added(Frame bytes, std::uint32_t sum) noexcept;
std::uint16_t folded(std::uint32_t sum) noexcept;

/// Addresses in host byte order.
struct Packet {
  std::uint32_t source = 0, destination = 0;
  std::uint8_t protocol = 0;
  bool whole = true;          ///< No fragment.
  bool first = true;          ///< Not a later fragment, so that its transport header is here.
  std::size_t transport = 0;  ///< Offset of the transport header in the frame.
  std::size_t end = 0;
  bool has_udp_header() const noexcept { return protocol == IPPROTO_UDP && first && end - transport >= kUdpHeader; }
  bool has_tcp_header() const noexcept { return protocol == IPPROTO_TCP && first && end - transport >= kTcpHeader; }
};

/// No value: no IPv4 packet that libslirp would take, either. Precondition: the frame's type is kTypeIp.
std::optional<Packet> parse_ip(Frame frame) noexcept;

struct ArpMessage {
  bool is_request = false;
  HardwareAddress sender_hardware{};
  std::uint32_t sender = 0, target = 0;  ///< Host byte order.
};
/// No value: nothing of IPv4 over Ethernet. Precondition: the frame's type is kTypeArp.
std::optional<ArpMessage> parse_arp(Frame frame) noexcept;

/// The answer of a host that knows nothing of the connection (RFC 9293, 3.5.2) to a segment whose header is whole.
using ResetFrame = std::array<std::uint8_t, kEthernet + kSmallestIp + kTcpHeader>;
ResetFrame reset_for(Frame frame, const Packet& packet) noexcept;

/// The frame that answers a datagram: from whom it went to, to whom it came from. `payload` is in `frame` already,
/// behind the three headers; the result is the frame's part that is to be sent. Precondition: there is room for it.
FrameBuffer datagram_back(FrameBuffer frame, Frame asked, const Packet& packet, std::size_t payload) noexcept;
constexpr std::size_t kDatagramHeaders = kEthernet + kSmallestIp + kUdpHeader;

}  // namespace sandbox::netstack
