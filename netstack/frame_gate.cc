// See frame_gate.h. Runs in the network helper on bytes that the container's root wrote: every offset is checked
// against the frame before it is read. Formats: RFC 791 (IPv4), RFC 768 (UDP), RFC 9293 (TCP), RFC 1624 (checksums).
#include "netstack/frame_gate.h"

#include <netinet/in.h>

#include <algorithm>
#include <optional>

namespace sandbox::netstack {
namespace {

using Frame = std::span<const std::uint8_t>;

constexpr std::size_t kEthernet = 14, kSmallestIp = 20, kUdpHeader = 8, kTcpHeader = 20;
constexpr std::size_t kTcpFlags = 13;
constexpr unsigned kFin = 0x01, kSyn = 0x02, kReset = 0x04, kAck = 0x10, kUrgent = 0x20;
constexpr std::size_t kIpChecksum = kEthernet + 10, kIpSource = kEthernet + 12, kUdpChecksum = 6;
constexpr std::uint16_t kTypeIp = 0x0800, kTypeArp = 0x0806;
constexpr std::uint32_t kLoopback = 0x7f000001, kBroadcast = 0xffffffff;

std::uint16_t read16(Frame bytes, std::size_t at) { return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]); }
std::uint32_t read32(Frame bytes, std::size_t at) {
  return std::uint32_t{read16(bytes, at)} << 16 | read16(bytes, at + 2);
}
void write16(std::span<std::uint8_t> bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

void write32(std::span<std::uint8_t> bytes, std::size_t at, std::uint32_t value) {
  write16(bytes, at, static_cast<std::uint16_t>(value >> 16));
  write16(bytes, at + 2, static_cast<std::uint16_t>(value));
}

/// The sum of RFC 1071 over an even number of bytes, to be gone on with.
std::uint32_t added(Frame bytes, std::uint32_t sum) {
  for (std::size_t at = 0; at < bytes.size(); at += 2) sum += read16(bytes, at);
  return sum;
}

std::uint16_t folded(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

struct Packet {
  std::uint32_t source = 0, destination = 0;  // addresses
  std::uint8_t protocol = 0;
  bool whole = true;          ///< No fragment.
  bool first = true;          ///< Not a later fragment, so that its transport header is here.
  std::size_t transport = 0;  ///< Offset of the transport header in the frame.
  std::size_t end = 0;
  bool has_udp_header() const { return protocol == IPPROTO_UDP && first && end - transport >= kUdpHeader; }
};

/// No value: no IPv4 packet that libslirp would take, either.
std::optional<Packet> parse_ip(Frame frame) {
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

/// RFC 1624, equation 3: the checksum after `before` has become `after` in what it covers.
std::uint16_t updated_checksum(std::uint16_t checksum, std::uint32_t before, std::uint32_t after) {
  std::uint32_t sum = static_cast<std::uint16_t>(~checksum);
  for (const unsigned shift : {16U, 0U}) {
    sum += static_cast<std::uint16_t>(~(before >> shift));
    sum += static_cast<std::uint16_t>(after >> shift);
  }
  return folded(sum);
}

void replace_source(std::span<std::uint8_t> frame, const Packet& packet, std::uint32_t address) {
  write16(frame, kIpSource, static_cast<std::uint16_t>(address >> 16));
  write16(frame, kIpSource + 2, static_cast<std::uint16_t>(address));
  write16(frame, kIpChecksum, updated_checksum(read16(frame, kIpChecksum), packet.source, address));
  if (!packet.has_udp_header()) return;
  const std::size_t at = packet.transport + kUdpChecksum;
  const std::uint16_t checksum = read16(frame, at);
  if (checksum == 0) return;  // none was made
  const std::uint16_t updated = updated_checksum(checksum, packet.source, address);
  write16(frame, at, updated == 0 ? std::uint16_t{0xffff} : updated);
}

/// True for a segment that can only belong to a connection that exists: libslirp makes a new one for a SYN alone.
bool continues_connection(Frame frame, const Packet& packet) {
  if (packet.end - packet.transport < kTcpHeader) return false;
  const unsigned flags = frame[packet.transport + kTcpFlags];
  return (flags & (kFin | kSyn | kReset | kAck | kUrgent)) != kSyn;
}

constexpr std::size_t kResetFrame = kEthernet + kSmallestIp + kTcpHeader;

/// The answer of a host without a listener (RFC 9293, 3.5.2) to a segment whose header is whole.
void write_reset(std::span<std::uint8_t, kResetFrame> reset, Frame frame, const Packet& packet) {
  const Frame segment = frame.subspan(packet.transport, packet.end - packet.transport);
  const std::size_t header = std::min((std::size_t{segment[12]} >> 4) * 4, segment.size());
  // It acknowledges all that came: the SYN counts for one.
  const auto acknowledged = read32(segment, 4) + static_cast<std::uint32_t>(segment.size() - header) + 1;
  std::ranges::copy(frame.subspan(6, 6), reset.begin());  // from whom it came, to whom it went
  std::ranges::copy(frame.first(6), reset.begin() + 6);
  write16(reset, 12, kTypeIp);
  const std::span ip = reset.subspan(kEthernet), tcp = ip.subspan(kSmallestIp);
  write32(ip, 0, 0x45000000U | static_cast<std::uint32_t>(ip.size()));  // version, header length; length
  write32(ip, 4, 0x00004000U);                                          // not to be fragmented
  write32(ip, 8, std::uint32_t{64} << 24 | std::uint32_t{IPPROTO_TCP} << 16);
  write32(ip, 12, packet.destination);
  write32(ip, 16, packet.source);
  write16(ip, 10, folded(added(ip.first(kSmallestIp), 0)));
  write16(tcp, 0, read16(segment, 2));
  write16(tcp, 2, read16(segment, 0));
  write32(tcp, 4, 0);
  write32(tcp, 8, acknowledged);
  write32(tcp, 12, 0x50000000U | (kReset | kAck) << 16);  // header length, flags, no window
  write32(tcp, 16, 0);
  const std::uint32_t pseudo = added(ip.subspan(12, 8), IPPROTO_TCP + std::uint32_t{kTcpHeader});
  write16(tcp, 16, folded(added(tcp, pseudo)));
}

bool is_hosts_own(std::uint32_t address) { return address >> 24 == 127 || address >> 24 == 0; }

}  // namespace

bool FrameGate::is_published(std::uint16_t guest_port) const noexcept {
  return std::ranges::find(rules_.udp_ports, guest_port) != rules_.udp_ports.end();
}

bool FrameGate::knows(std::uint16_t guest_port, std::uint16_t client_port, std::int64_t now_ms) noexcept {
  return std::ranges::any_of(clients_, [&](const Client& client) {
    return client.expires_ms > now_ms && client.guest_port == guest_port && client.client_port == client_port;
  });
}

void FrameGate::remember(std::uint16_t guest_port, std::uint16_t client_port, std::int64_t now_ms) noexcept {
  auto same = std::ranges::find_if(clients_, [&](const Client& client) {
    return client.guest_port == guest_port && client.client_port == client_port;
  });
  // Without room for a new client the one goes that has been silent for longest.
  if (same == clients_.end()) same = std::ranges::min_element(clients_, {}, &Client::expires_ms);
  *same = {guest_port, client_port, now_ms + kClientLifetimeMs};
}

bool FrameGate::admits(Frame frame, std::int64_t now_ms) noexcept {
  if (frame.size() < kEthernet) return false;
  const std::uint16_t type = read16(frame, 12);
  if (type == kTypeArp) return true;
  if (type != kTypeIp) return false;  // IPv6 and NC-SI, which libslirp would parse for nothing
  const auto packet = parse_ip(frame);
  // Overlapping fragments crash libslirp 4.7 (tests/fuzz/corpus/frames/fragments). With the interface's MTU of 65520
  // the container's kernel makes none for what fits into a datagram.
  if (!packet || !packet->whole) return false;
  if (rules_.loopback_allowed) return true;
  if (is_hosts_own(packet->destination) || packet->destination == kBroadcast) return false;
  // Without such ports libslirp guards the gateway's address itself, and refuses faster than silence does.
  if (packet->destination != rules_.gateway || rules_.udp_ports.empty()) return true;
  if (packet->protocol == IPPROTO_ICMP) return true;  // libslirp answers for the gateway itself
  if (packet->protocol == IPPROTO_TCP) return continues_connection(frame, *packet);  // a client on the host began it
  if (packet->protocol != IPPROTO_UDP) return false;
  if (!packet->has_udp_header() || packet->source != rules_.guest) return false;
  const std::uint16_t from = read16(frame, packet->transport), to = read16(frame, packet->transport + 2);
  return is_published(from) && knows(from, to, now_ms);
}

Frame FrameGate::refusal(Frame frame) noexcept {
  static_assert(std::tuple_size_v<decltype(reset_)> == kResetFrame);
  if (frame.size() < kEthernet || read16(frame, 12) != kTypeIp) return {};
  const auto packet = parse_ip(frame);
  if (!packet || !packet->whole || packet->protocol != IPPROTO_TCP || packet->destination != rules_.gateway) return {};
  if (packet->end - packet->transport < kTcpHeader || (frame[packet->transport + kTcpFlags] & kReset) != 0) return {};
  write_reset(reset_, frame, *packet);
  return reset_;
}

Frame FrameGate::deliver(Frame frame, std::int64_t now_ms) noexcept {
  if (rules_.udp_ports.empty() || frame.size() < kEthernet || read16(frame, 12) != kTypeIp) return frame;
  const auto packet = parse_ip(frame);
  if (!packet || packet->protocol != IPPROTO_UDP || packet->destination != rules_.guest) return frame;
  // libslirp names a client by the host's loopback address once the container has answered another one.
  const bool local = packet->source == kLoopback;
  if (!local && packet->source != rules_.gateway) return frame;
  if (packet->has_udp_header()) {
    const std::uint16_t client = read16(frame, packet->transport), guest = read16(frame, packet->transport + 2);
    if (is_published(guest)) remember(guest, client, now_ms);
  }
  if (!local || frame.size() > rewritten_.size()) return frame;
  std::ranges::copy(frame, rewritten_.begin());
  const std::span copy(rewritten_.data(), frame.size());
  replace_source(copy, *packet, rules_.gateway);
  return copy;
}

}  // namespace sandbox::netstack
