// The host's loopback is closed to the container on every way that libslirp knows, also where published UDP ports
// make libslirp leave it open and only the gate guards it.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>

#include "frames.h"
#include "net_fixture.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

constexpr int kSilence = 700;  // milliseconds in which a frame that passes has long arrived

/// No published port; one that leaves libslirp's loopback open; loopback allowed by the user.
enum class Mode { plain, publishing, allowed };

Config config_of(Mode mode) {
  Config config;
  if (mode == Mode::publishing) config = forwarding(free_port(SOCK_DGRAM), true, "0.0.0.0");
  config.allow_host_loopback = mode == Mode::allowed;
  return config;
}

/// Whether something comes to `server` from a guest that sends at the first byte and ends at the second.
bool reaches(Mode mode, Guest& guest, const Fd& server) {
  std::optional<Helper> helper(std::in_place, config_of(mode));
  helper->connect(guest.take_nic());
  send_byte(guest.socket());
  const bool arrived = arrives(server, mode == Mode::allowed ? 5000 : kSilence);
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  helper.reset();
  CHECK(reap_helper() == 0);
  return arrived;
}

/// Whether a client in the guest gets through to a server on the host's 127.0.0.1.
bool client_reaches_host(Mode mode, int type, const char* ip) {
  const Fd server = bound(type, "127.0.0.1", 0);
  Guest guest([ip, type, port = port_of(server)](int test) {
    await_byte(test);
    const Fd socket = make_socket(type | SOCK_NONBLOCK);
    const sockaddr_in address = address_of(ip, port);
    ::connect(socket.get(), generic(address), sizeof address);
    static_cast<void>(::send(socket.get(), "ping", 4, MSG_NOSIGNAL));
    await_byte(test);
    return 0;
  });
  return reaches(mode, guest, server);
}

/// Sends frames that the guest's kernel would never make, three times as the first may only ask for an address.
std::function<int(int)> sender(std::vector<Bytes> frames) {
  return [frames = std::move(frames)](int test) {
    await_byte(test);
    const Fd raw(::socket(AF_PACKET, SOCK_RAW, 0));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    for (int i = 0; i < 3; ++i) {
      for (const Bytes& frame : frames) {
        const ssize_t sent = ::sendto(raw.get(), frame.data(), frame.size(), 0,
                                      reinterpret_cast<const sockaddr*>(&address), sizeof address);
        if (sent != static_cast<ssize_t>(frame.size())) return 1;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    await_byte(test);
    return 0;
  };
}

/// Whether any of the frames gets through to `server`.
bool frames_reach(Mode mode, const Fd& server, std::vector<Bytes> frames, Tun tun = Tun::present) {
  Guest guest(sender(std::move(frames)), tun);
  return reaches(mode, guest, server);
}

/// A socket on ::, which also takes IPv4.
Fd bound_everywhere(int type) {
  Fd socket(::socket(AF_INET6, type | SOCK_CLOEXEC, 0));
  const int off = 0;
  ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    throw SysError(Errno{errno}, "binding to ::");
  }
  return socket;
}

std::uint16_t port6_of(const Fd& socket) {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin6_port);
}

constexpr std::uint32_t kGuest = 0x0a000264, kGateway = 0x0a000202, kForwarder = 0x0a000203;

}  // namespace

TEST_CASE("the host's loopback is out of reach through the gateway unless allowed") {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    CAPTURE(type);
    CHECK_FALSE(client_reaches_host(Mode::plain, type, "10.0.2.2"));
    CHECK_FALSE(client_reaches_host(Mode::publishing, type, "10.0.2.2"));
    CHECK(client_reaches_host(Mode::allowed, type, "10.0.2.2"));
  }
}

TEST_CASE("a connection to the gateway is refused at once, also where libslirp's own guard is off") {
  for (const Mode mode : {Mode::plain, Mode::publishing}) {
    CAPTURE(static_cast<int>(mode));
    const Fd server = bound(SOCK_STREAM, "127.0.0.1", 0);
    Guest guest([port = port_of(server)](int test) {
      await_byte(test);
      const Fd socket = make_socket(SOCK_STREAM);
      const sockaddr_in address = address_of("10.0.2.2", port);
      return ::connect(socket.get(), generic(address), sizeof address) < 0 ? errno : 0;
    });
    std::optional<Helper> helper(std::in_place, config_of(mode));
    helper->connect(guest.take_nic());
    send_byte(guest.socket());
    CHECK(guest.exit_status() == (mode == Mode::plain ? ENETUNREACH : ECONNREFUSED));
    helper.reset();
    CHECK(reap_helper() == 0);
  }
}

TEST_CASE("the host's loopback is out of reach through the name server's address, 0.0.0.0 and the broadcast address") {
  for (const Mode mode : {Mode::plain, Mode::publishing}) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      for (const char* ip : {"10.0.2.3", "0.0.0.0", "10.0.2.255"}) {
        CAPTURE(ip);
        CAPTURE(type);
        CHECK_FALSE(client_reaches_host(mode, type, ip));
      }
    }
  }
}

TEST_CASE("frames made by hand don't reach the host's loopback") {
  const Fd udp = bound(SOCK_DGRAM, "0.0.0.0", 0), tcp = bound(SOCK_STREAM, "0.0.0.0", 0);
  for (const Mode mode : {Mode::plain, Mode::publishing}) {
    std::vector<Bytes> datagrams, segments;
    for (const std::uint32_t to : {0x7f000001U, 0x7f000101U, 0U, 0xffffffffU, 0x0a0002ffU, kGateway, kForwarder}) {
      for (const std::uint16_t from : {std::uint16_t{1234}, kGuestPort}) {
        datagrams.push_back(udp_frame(kGuest, from, to, port_of(udp)));
        datagrams.push_back(with_ip_options(datagrams.back()));
        segments.push_back(tcp_syn_frame(kGuest, from, to, port_of(tcp)));
      }
    }
    CHECK_FALSE(frames_reach(mode, udp, datagrams));
    CHECK_FALSE(frames_reach(mode, udp, datagrams, Tun::missing));
    CHECK_FALSE(frames_reach(mode, tcp, segments));
  }
  // The same frames are good ones: they arrive where the gate is open.
  CHECK(frames_reach(Mode::allowed, udp, {udp_frame(kGuest, 1234, kGateway, port_of(udp))}));
  CHECK(frames_reach(Mode::allowed, udp, {with_ip_options(udp_frame(kGuest, 1234, kGateway, port_of(udp)))}));
  CHECK(frames_reach(Mode::allowed, tcp, {tcp_syn_frame(kGuest, 1234, kGateway, port_of(tcp))}));
}

TEST_CASE("no IPv6 frame reaches the host: fd00::2, ::1, ::ffff:127.0.0.1, multicast") {
  const Fd server = bound_everywhere(SOCK_DGRAM);
  for (const Mode mode : {Mode::plain, Mode::publishing}) {
    std::vector<Bytes> frames;
    for (const char* text : {"fd00::2", "fd00::3", "::1", "::", "::ffff:127.0.0.1", "fe80::2", "ff02::1"}) {
      in6_addr address{};
      REQUIRE(::inet_pton(AF_INET6, text, &address) == 1);
      frames.push_back(udp6_frame(address.s6_addr, port6_of(server)));
    }
    CHECK_FALSE(frames_reach(mode, server, frames));
  }
}

TEST_CASE("an answer goes to the client that asked and to no other port of the host's loopback") {
  const Fd bystander = bound(SOCK_DGRAM, "127.0.0.1", 0), client = bound(SOCK_DGRAM, "127.0.0.1", 0);
  const std::uint16_t published = free_port(SOCK_DGRAM);
  Guest guest([victim = port_of(bystander)](int test) {
    const Fd socket = bound(SOCK_DGRAM, kGuestAddress, kGuestPort);
    send_byte(test);
    char byte;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    if (::recvfrom(socket.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) != 1) return 1;
    sockaddr_in other = from;
    other.sin_port = htons(victim);
    ::sendto(socket.get(), "x", 1, 0, generic(other), sizeof other);
    ::sendto(socket.get(), "x", 1, 0, generic(from), sizeof from);
    await_byte(test);
    return 0;
  });
  std::optional<Helper> helper(std::in_place, forwarding(published, true));
  helper->connect(guest.take_nic());
  await_byte(guest.socket());
  const sockaddr_in address = address_of("127.0.0.1", published);
  ::sendto(client.get(), "x", 1, 0, generic(address), sizeof address);
  CHECK(arrives(client, 5000));
  CHECK_FALSE(arrives(bystander, kSilence));
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  helper.reset();
  CHECK(reap_helper() == 0);
}
