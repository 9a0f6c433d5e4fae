// Private to this room: which of the container's frames reach libslirp. Pure but for its table of clients.
//
// libslirp can close the host's loopback to the container, but then it also drops the answers of published UDP ports
// to clients on the host. So where such ports exist libslirp leaves the loopback open, and this gate is what guards
// it: no connection to the gateway's address can be begun, and the only datagrams that pass to it are answers from a
// published port to a client that has sent to it before. libslirp takes the gateway's address and 255.255.255.255 for
// the host, and the host's kernel 127.0.0.0/8 and 0.0.0.0/8. IPv6 is off in libslirp and stopped here, too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "netstack/frame.h"

namespace sandbox::netstack {

/// Addresses in host byte order.
struct GateRules {
  std::uint32_t gateway = 0, guest = 0;
  bool loopback_allowed = false;  ///< The user asked for it: nothing about the host is stopped.
  bool loopback_open = false;     ///< libslirp leaves it open, so that it is closed here.
  /// Ports in the container that are published on the host's loopback over UDP.
  std::vector<std::uint16_t> udp_ports;
};

class FrameGate {
 public:
  static constexpr std::size_t kMostClients = 1024;
  static constexpr std::int64_t kClientLifetimeMs = 180'000;

  explicit FrameGate(GateRules rules) : rules_(std::move(rules)) {}

  /// A frame from the container: whether libslirp may see it. It never passes a frame that can reach the host's
  /// loopback, whatever its headers say. `now_ms` is a monotonic clock.
  bool admits(Frame frame, std::int64_t now_ms) noexcept;

  /// What the container gets back for a frame that was not admitted: the reset of a connection that was to begin at
  /// the gateway, as of a host where nobody listens; empty for any other. Valid until the next call.
  Frame refusal(Frame frame) noexcept;

  /// A frame from libslirp: remembers the client of a published UDP port. The result is what the container gets:
  /// `frame`, or a copy in which the host's 127.0.0.1 has become the gateway. Valid until the next call.
  Frame deliver(Frame frame, std::int64_t now_ms) noexcept;

 private:
  struct Client {
    std::uint16_t guest_port = 0, client_port = 0;
    std::int64_t expires_ms = 0;
  };
  bool is_published(std::uint16_t guest_port) const noexcept;
  bool knows(std::uint16_t guest_port, std::uint16_t client_port, std::int64_t now_ms) noexcept;
  void remember(std::uint16_t guest_port, std::uint16_t client_port, std::int64_t now_ms) noexcept;

  GateRules rules_;
  std::array<Client, kMostClients> clients_{};  // an entry that has expired is free
  std::array<std::uint8_t, kLargestFrame> rewritten_{};
  ResetFrame reset_{};
};

}  // namespace sandbox::netstack
