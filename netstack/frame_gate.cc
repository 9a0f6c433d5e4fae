// See frame_gate.h. Runs in the network helper on bytes that the container's root wrote: every offset is checked
// against the frame before it is read. Formats: frame.h; RFC 1624 (checksums).
#include "netstack/frame_gate.h"

#include <netinet/in.h>

#include <algorithm>
#include <optional>

#include "netstack/frame.h"

namespace sandbox::netstack {
namespace {

constexpr unsigned kFin = 0x01, kSyn = 0x02, kReset = 0x04, kAck = 0x10, kUrgent = 0x20;
constexpr std::size_t kIpChecksum = kEthernet + 10, kUdpChecksum = 6;
constexpr std::uint32_t kLoopback = 0x7f000001, kBroadcast = 0xffffffff;

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
  // Elsewhere libslirp guards the gateway's address itself, and refuses faster than silence does.
  if (packet->destination != rules_.gateway || !rules_.loopback_open) return true;
  if (packet->protocol == IPPROTO_ICMP) return true;  // libslirp answers for the gateway itself
  if (packet->protocol == IPPROTO_TCP) return continues_connection(frame, *packet);  // a client on the host began it
  if (packet->protocol != IPPROTO_UDP) return false;
  if (!packet->has_udp_header() || packet->source != rules_.guest) return false;
  const std::uint16_t from = read16(frame, packet->transport), to = read16(frame, packet->transport + 2);
  return is_published(from) && knows(from, to, now_ms);
}

Frame FrameGate::refusal(Frame frame) noexcept {
  if (frame.size() < kEthernet || read16(frame, 12) != kTypeIp) return {};
  const auto packet = parse_ip(frame);
  if (!packet || !packet->whole || !packet->has_tcp_header() || packet->destination != rules_.gateway) return {};
  if ((frame[packet->transport + kTcpFlags] & kReset) != 0) return {};
  reset_ = reset_for(frame, *packet);
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
