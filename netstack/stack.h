// Private to this room: one libslirp with its timers, its sockets and the ports that it listens on. It knows no
// interface: frames come by input(), and those for the guests go to a function. Runs in a network helper's one thread.
#pragma once

#include <netinet/in.h>
#include <poll.h>

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "netstack/frame.h"
#include "netstack/netstack.h"
#include "netstack/relay.h"
#include "netstack/slirp_library.h"
#include "sandbox/base/ipv4.h"

namespace sandbox::netstack {

/// Throws InvalidInput. In network byte order.
in_addr parse_address(const std::string& text);
/// The same in host byte order.
inline std::uint32_t address_in(const std::string& text) { return ntohl(parse_address(text).s_addr); }
/// Of a monotonic clock.
std::int64_t now_ms() noexcept;
/// Ports in the guest that are published over UDP where a client on the host's loopback can reach them.
std::vector<std::uint16_t> loopback_udp_ports(const std::vector<PortForward>& forwards);

class Stack {
 public:
  struct Settings {
    Ipv4Range network;
    std::uint32_t gateway = 0, dns = 0;  ///< Host byte order; both in `network`.
    std::uint32_t guest = 0;             ///< Who asks by DHCP gets that.
    int mtu = 0;
    bool loopback_open = false;  ///< The gateway's address is the host's loopback.
  };
  /// Must not throw.
  using Deliver = std::function<void(Frame)>;

  /// Throws Error.
  Stack(const Settings& settings, Deliver deliver);
  ~Stack() { library_.cleanup(slirp_); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  /// Listens for the guest of that address (host byte order); returns the host's port. Throws Error with the reason.
  std::uint16_t publish(const PortForward& forward, std::uint32_t guest);
  /// Ceases to listen for that guest.
  void withdraw(std::uint32_t guest);

  /// A frame of a guest, which a FrameGate has admitted.
  void input(FrameBuffer frame);

  /// Appends what it waits for; returns poll's timeout in milliseconds, or -1.
  int add_polls(std::vector<pollfd>& polls);
  /// `polls`: the same list after poll(2), which has `failed` or not.
  void serve(std::vector<pollfd>& polls, bool failed);

 private:
  struct Timer {
    SlirpTimerCb callback;
    void* argument;
    std::int64_t due_ms;
  };
  /// What libslirp listens on.
  struct Published {
    std::uint32_t guest = 0;
    bool udp = false;
    in_addr host{};
    std::uint16_t port = 0;
    std::list<Relay> relay;  ///< One where the host's address is IPv6, which leads to this port.
  };

  static Stack& of(void* opaque) noexcept { return *static_cast<Stack*>(opaque); }
  static SlirpCb callbacks() noexcept;
  static int add_poll(int fd, int events, void* opaque) noexcept;
  static int returned_events(int index, void* opaque) noexcept;

  int listen(const PortForward& forward, std::uint16_t port, std::uint32_t guest);
  std::uint16_t relay(const PortForward& forward, const in6_addr& host, std::uint32_t guest);
  void run_timers();

  const SlirpLibrary& library_ = slirp_library();
  const SlirpCb callbacks_ = callbacks();
  Deliver deliver_;
  std::list<Timer> timers_;
  std::list<Published> published_;
  std::vector<pollfd>* polls_ = nullptr;  ///< While libslirp looks at them.
  Slirp* slirp_ = nullptr;
};

}  // namespace sandbox::netstack
