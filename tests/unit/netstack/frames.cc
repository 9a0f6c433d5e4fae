#include "frames.h"

#include <netinet/in.h>

#include <algorithm>
#include <string_view>

namespace sandbox::netstack::testing {
namespace {

constexpr std::size_t kIp = 14;

void put16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, static_cast<std::uint16_t>(value >> 16));
  put16(bytes, at + 2, static_cast<std::uint16_t>(value));
}

std::uint32_t sum(const Bytes& bytes, std::size_t from, std::size_t to, std::uint32_t start = 0) {
  for (std::size_t i = from; i < to; ++i) start += (i - from) % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  return start;
}

std::uint16_t folded(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void seal_ip(Bytes& frame) {
  put16(frame, kIp + 10, 0);
  put16(frame, kIp + 10, folded(sum(frame, kIp, kIp + std::size_t{frame[kIp] & 0xfU} * 4)));
}

/// Ethernet and IPv4 headers before `transport`, whose checksum is at `checksum`.
Bytes ip_frame(std::uint8_t protocol, std::uint32_t source, std::uint32_t destination, const Bytes& transport,
               std::size_t checksum) {
  Bytes frame(kIp + 20);
  // The gateway's address as libslirp makes it, and a guest's of any kind.
  constexpr std::uint8_t kMacs[] = {0x52, 0x55, 10, 0, 2, 2, 0x02, 0, 0, 0, 0, 1};
  std::copy(std::begin(kMacs), std::end(kMacs), frame.begin());
  put16(frame, 12, 0x0800);
  frame[kIp] = 0x45;
  put16(frame, kIp + 2, static_cast<std::uint16_t>(20 + transport.size()));
  frame[kIp + 8] = 64;
  frame[kIp + 9] = protocol;
  put32(frame, kIp + 12, source);
  put32(frame, kIp + 16, destination);
  seal_ip(frame);
  frame.insert(frame.end(), transport.begin(), transport.end());
  const std::uint32_t pseudo = sum(frame, kIp + 12, kIp + 20, protocol + static_cast<std::uint32_t>(transport.size()));
  put16(frame, kIp + 20 + checksum, folded(sum(frame, kIp + 20, frame.size(), pseudo)));
  return frame;
}

Bytes udp(std::uint16_t source_port, std::uint16_t port) {
  constexpr std::string_view kText = "ping";
  Bytes bytes(8);
  put16(bytes, 0, source_port);
  put16(bytes, 2, port);
  put16(bytes, 4, static_cast<std::uint16_t>(8 + kText.size()));
  bytes.insert(bytes.end(), kText.begin(), kText.end());
  return bytes;
}

}  // namespace

Bytes udp_frame(std::uint32_t source, std::uint16_t source_port, std::uint32_t destination, std::uint16_t port) {
  return ip_frame(IPPROTO_UDP, source, destination, udp(source_port, port), 6);
}

Bytes tcp_frame(std::uint32_t source, std::uint16_t source_port, std::uint32_t destination, std::uint16_t port,
                std::uint8_t flags) {
  Bytes segment(20);
  put16(segment, 0, source_port);
  put16(segment, 2, port);
  put32(segment, 4, 12345);
  segment[12] = 5 << 4;
  segment[13] = flags;
  put16(segment, 14, 65535);
  return ip_frame(IPPROTO_TCP, source, destination, segment, 16);
}

Bytes udp6_frame(const std::uint8_t* destination, std::uint16_t port) {
  const Bytes datagram = udp(7000, port);
  Bytes frame(kIp + 40);
  constexpr std::uint8_t kMacs[] = {0x52, 0x55, 10, 0, 2, 2, 0x02, 0, 0, 0, 0, 1};
  std::copy(std::begin(kMacs), std::end(kMacs), frame.begin());
  put16(frame, 12, 0x86dd);
  frame[kIp] = 0x60;
  put16(frame, kIp + 4, static_cast<std::uint16_t>(datagram.size()));
  frame[kIp + 6] = IPPROTO_UDP;
  frame[kIp + 7] = 64;
  frame[kIp + 8] = 0xfd;
  frame[kIp + 23] = 0x64;
  std::copy(destination, destination + 16, frame.begin() + kIp + 24);
  frame.insert(frame.end(), datagram.begin(), datagram.end());
  const std::uint32_t pseudo = sum(frame, kIp + 8, kIp + 40, IPPROTO_UDP + static_cast<std::uint32_t>(datagram.size()));
  put16(frame, kIp + 46, folded(sum(frame, kIp + 40, frame.size(), pseudo)));
  return frame;
}

Bytes with_ip_options(Bytes frame) {
  frame.insert(frame.begin() + kIp + 20, {1, 1, 1, 1});
  frame[kIp] = 0x46;
  set_ip_length(frame, static_cast<std::uint16_t>(frame.size() - kIp));
  return frame;
}

void set_fragment(Bytes& frame, std::uint16_t units_of_eight, bool more) {
  put16(frame, kIp + 6, static_cast<std::uint16_t>(units_of_eight | (more ? 0x2000 : 0)));
  seal_ip(frame);
}

void set_ip_length(Bytes& frame, std::uint16_t length) {
  put16(frame, kIp + 2, length);
  seal_ip(frame);
}

void set_ether_type(Bytes& frame, std::uint16_t type) { put16(frame, 12, type); }

}  // namespace sandbox::netstack::testing
