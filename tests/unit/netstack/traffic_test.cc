// End to end: traffic of a guest through the real helper, on every rung of its interface.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <errno.h>
#include <ifaddrs.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "net_fixture.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

/// Ends the helper. It may have ended by itself when the guest's namespace took the interface with it, but with 0.
void end(std::optional<Helper>& helper) {
  helper.reset();
  CHECK(reap_helper() == 0);
}

std::string start_error(const Config& config) {
  Guest guest([](int test) { return await_byte(test), 0; });
  std::optional<Helper> helper(std::in_place, config);
  try {
    helper->connect(guest.take_nic());
  } catch (const Error& error) {
    return std::string(error.what()) + "|" + error.hint();
  }
  return "no error";
}

/// The host's first address that is not its loopback's; empty when it has none.
std::string outer_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  std::string found;
  for (const ifaddrs* entry = list; entry != nullptr && found.empty(); entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
    char text[INET_ADDRSTRLEN];
    if (ntohl(address->sin_addr.s_addr) >> 24 != 127)
      found = ::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
  }
  ::freeifaddrs(list);
  return found;
}

constexpr std::size_t kBulk = 8U << 20;

/// Sends kBulk bytes of a pattern and ends the connection.
void send_bulk(int socket) {
  std::array<char, 65536> block;
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 7);
  for (std::size_t sent = 0; sent < kBulk; sent += block.size()) {
    sys::write_all(socket, block.data(), block.size()) | or_throw("sending in bulk");
  }
  ::shutdown(socket, SHUT_WR);
}

/// The number of bytes before the first wrong one.
std::size_t receive_bulk(int socket) {
  std::array<char, 65536> block;
  std::size_t seen = 0;
  for (;;) {
    const std::size_t size = sys::read(socket, block.data(), block.size()) | or_throw("receiving in bulk");
    if (size == 0) return seen;
    for (std::size_t i = 0; i < size; ++i, ++seen) {
      if (block[i] != static_cast<char>((seen % block.size()) * 7)) return seen;
    }
  }
}

}  // namespace

TEST_CASE("a TCP server in the container is reached through a published port, and the helper ends with its owner") {
  for (const Tun tun : kEveryTun) {
    CAPTURE(static_cast<int>(tun));
    Guest guest(guest_server(SOCK_STREAM), tun);
    const std::uint16_t port = free_port(SOCK_STREAM);
    std::optional<Helper> helper(std::in_place, forwarding(port, false));
    CHECK(helper->connect(guest.take_nic()) == std::vector<std::uint16_t>{port});
    await_byte(guest.socket());
    CHECK(ask(SOCK_STREAM, "127.0.0.1", port) == "pong");
    send_byte(guest.socket());
    CHECK(guest.exit_status() == 0);
    end(helper);
    CHECK(ask(SOCK_STREAM, "127.0.0.1", port).empty());
  }
}

TEST_CASE("the container reaches a server on the host's own address over TCP and UDP") {
  const std::string host = outer_address();
  REQUIRE_FALSE(host.empty());
  for (const Tun tun : kEveryTun) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      CAPTURE(static_cast<int>(tun));
      CAPTURE(type);
      const Fd server = bound(type, host.c_str(), 0);
      Guest guest(guest_client(type, host.c_str(), port_of(server)), tun);
      std::optional<Helper> helper(std::in_place, Config{});
      helper->connect(guest.take_nic());
      send_byte(guest.socket());
      CHECK(arrives(server, 5000));
      answer_once(server, type);
      CHECK(guest.exit_status() == 0);
      end(helper);
    }
  }
}

TEST_CASE("megabytes arrive whole in both directions") {
  const std::string host = outer_address();
  REQUIRE_FALSE(host.empty());
  for (const Tun tun : kEveryTun) {
    CAPTURE(static_cast<int>(tun));
    const Fd server = bound(SOCK_STREAM, host.c_str(), 0);
    const std::uint16_t port = port_of(server);
    Guest guest(
        [&host, port](int test) {
          await_byte(test);
          const Fd socket = make_socket(SOCK_STREAM);
          const sockaddr_in address = address_of(host.c_str(), port);
          if (::connect(socket.get(), generic(address), sizeof address) < 0) return 1;
          send_bulk(socket.get());
          return receive_bulk(socket.get()) == kBulk ? 0 : 2;
        },
        tun);
    std::optional<Helper> helper(std::in_place, Config{});
    helper->connect(guest.take_nic());
    send_byte(guest.socket());
    const Fd peer(::accept(server.get(), nullptr, nullptr));
    CHECK(receive_bulk(peer.get()) == kBulk);
    send_bulk(peer.get());
    CHECK(guest.exit_status() == 0);
    end(helper);
  }
}

TEST_CASE("a UDP server in the container answers several clients on the host's loopback, with host loopback closed") {
  for (const Tun tun : kEveryTun) {
    for (const char* host_ip : {"127.0.0.1", "0.0.0.0"}) {
      CAPTURE(static_cast<int>(tun));
      CAPTURE(host_ip);
      Guest guest(guest_server(SOCK_DGRAM, 4), tun);
      const std::uint16_t port = free_port(SOCK_DGRAM);
      std::optional<Helper> helper(std::in_place, forwarding(port, true, host_ip));
      helper->connect(guest.take_nic());
      await_byte(guest.socket());
      CHECK(ask(SOCK_DGRAM, "127.0.0.1", port) == "pong");
      CHECK(ask(SOCK_DGRAM, "127.0.0.1", port) == "pong");
      // A client from elsewhere in between must not spoil it for those on the loopback.
      const std::string other = std::string(host_ip) == "0.0.0.0" ? outer_address() : "127.0.0.1";
      CHECK(ask(SOCK_DGRAM, other.c_str(), port) == "pong");
      CHECK(ask(SOCK_DGRAM, "127.0.0.1", port) == "pong");
      send_byte(guest.socket());
      CHECK(guest.exit_status() == 0);
      end(helper);
    }
  }
}

TEST_CASE("a published TCP port serves beside a published UDP port") {
  Guest guest(guest_server(SOCK_STREAM));
  Config config = forwarding(0, false);
  config.forwards.push_back(forwarding(0, true).forwards[0]);
  std::optional<Helper> helper(std::in_place, config);
  const auto ports = helper->connect(guest.take_nic());
  await_byte(guest.socket());
  CHECK(ask(SOCK_STREAM, "127.0.0.1", ports.at(0)) == "pong");
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  end(helper);
}

TEST_CASE("a port of the host's choice is free, reported and serves") {
  Guest guest(guest_server(SOCK_STREAM));
  std::optional<Helper> helper(std::in_place, forwarding(0, false));
  const auto ports = helper->connect(guest.take_nic());
  REQUIRE(ports.size() == 1);
  REQUIRE(ports[0] != 0);
  await_byte(guest.socket());
  CHECK(ask(SOCK_STREAM, "127.0.0.1", ports[0]) == "pong");
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  end(helper);
}

TEST_CASE("a port in use is reported with its name") {
  const Fd tcp = bound(SOCK_STREAM, "127.0.0.1", 0);
  CHECK(start_error(forwarding(port_of(tcp), false)) ==
        fmt::format("port 127.0.0.1:{}/tcp: address already in use|", port_of(tcp)));
  const Fd udp = bound(SOCK_DGRAM, "127.0.0.1", 0);
  CHECK(start_error(forwarding(port_of(udp), true)) ==
        fmt::format("port 127.0.0.1:{}/udp: address already in use|", port_of(udp)));
}

TEST_CASE("a port below the unprivileged ones is refused with the sysctl that helps") {
  // In a network namespace of our own, where the limit is the kernel's 1024, without power over it.
  const int status = in_child([] {
    Guest guest([](int test) { return await_byte(test), 0; });
    const auto id = ::getuid();
    sys::unshare(CLONE_NEWUSER | CLONE_NEWNET) | or_throw("unsharing");
    write_text("/proc/self/uid_map", fmt::format("{0} {0} 1", id));  // executing a program as other than root ends it
    bring_up_loopback();
    for (const bool udp : {false, true}) {
      try {
        Helper helper(forwarding(81, udp));
        helper.connect(guest.take_nic());
        return 1;
      } catch (const Error& error) {
        if (std::string(error.what()) != fmt::format("port 127.0.0.1:81/{}: Permission denied", udp ? "udp" : "tcp"))
          return 2;
        if (error.hint() != "let users bind low ports: sysctl net.ipv4.ip_unprivileged_port_start=81") return 3;
      }
    }
    return 0;
  });
  CHECK(status == 0);
}

TEST_CASE("addresses outside the network and malformed ones are refused by the helper") {
  Config config;
  config.dns = "10.0.3.3";
  CHECK(start_error(config).find("not both in the network") != std::string::npos);
  config.dns = "nonsense";
  CHECK(start_error(config) == "'nonsense' is not an IPv4 address|");
}

TEST_CASE("a helper whose container never came ends without a trace") {
  std::optional<Helper> helper(std::in_place, Config{});
  helper.reset();
  CHECK(reap_helper() == 0);
}
