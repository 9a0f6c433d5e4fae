// Ethernet frames for tests, with right checksums. Addresses in host byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sandbox::netstack::testing {

using Bytes = std::vector<std::uint8_t>;

Bytes udp_frame(std::uint32_t source, std::uint16_t source_port, std::uint32_t destination, std::uint16_t port);
Bytes tcp_frame(std::uint32_t source, std::uint16_t source_port, std::uint32_t destination, std::uint16_t port,
                std::uint8_t flags);
inline Bytes tcp_syn_frame(std::uint32_t source, std::uint16_t source_port, std::uint32_t destination,
                           std::uint16_t port) {
  return tcp_frame(source, source_port, destination, port, 0x02);
}
/// A UDP datagram over IPv6 to `destination`, 16 bytes.
Bytes udp6_frame(const std::uint8_t* destination, std::uint16_t port);
/// The same with four bytes of options (NOP) behind the IPv4 header.
Bytes with_ip_options(Bytes frame);

// These leave the header's checksum right.
void set_fragment(Bytes& frame, std::uint16_t units_of_eight, bool more = false);
void set_ip_length(Bytes& frame, std::uint16_t length);
void set_ether_type(Bytes& frame, std::uint16_t type);

}  // namespace sandbox::netstack::testing
