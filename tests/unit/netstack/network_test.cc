// End to end: members of a network, each a guest in a network namespace of its own, and the network's real helper.
#include "netstack/network.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <list>
#include <optional>

#include "frames.h"
#include "net_fixture.h"
#include "netstack/frame.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "tests/support/temporary_directory.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

constexpr const char* kGateway = "172.18.0.1";

using Place = sandbox::testing::TemporaryDirectory;  // for the sockets of helpers

Network some_network() {
  return {.id = "0123456789abcdef",
          .name = "mynet",
          .subnet = "172.18.0.0/16",
          .range = "172.18.0.0/16",
          .gateway = kGateway,
          .dns = "172.18.255.254",
          .reserved = {}};
}

Joining named(const std::string& name, std::vector<PortForward> forwards = {}) {
  Joining joining;
  joining.names = {name};
  joining.forwards = std::move(forwards);
  return joining;
}

/// A guest on the network.
struct Member {
  Membership membership;
  Guest guest;
  std::vector<std::uint16_t> ports;

  Member(const Place& place, const Joining& joining, std::function<int(int)> act, Tun tun = Tun::present,
         const Network& network = some_network())
      : membership(place.path(), network, joining),
        guest(std::move(act), tun,
              GuestNic{.address = membership.lease().address,
                       .prefix = 16,
                       .gateway = network.internal ? "" : kGateway,
                       .hardware_address = membership.lease().hardware_address}) {
    ports = membership.connect(guest.take_nic());
  }
  std::string address() const { return membership.lease().address; }
};

std::function<int(int)> idle() {
  return [](int test) { return await_byte(test), 0; };
}

/// Answers one on kGuestPort, at any address that it has.
std::function<int(int)> server(int type, int count = 1) {
  return [=](int test) {
    const Fd socket = bound(type, "0.0.0.0", kGuestPort);
    send_byte(test);
    for (int i = 0; i < count; ++i) answer_once(socket, type);
    await_byte(test);
    return 0;
  };
}

std::string join_error(const Place& place, const Joining& joining, const Network& network = some_network()) {
  try {
    const Membership membership(place.path(), network, joining);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

/// All helpers have ended, each with 0.
void all_end() {
  CHECK(reap_helper() == 0);
  CHECK(reap_helper() == -1);
}

}  // namespace

TEST_CASE("members reach one another over TCP and UDP, on every rung of their interfaces") {
  for (const Tun tun : kEveryTun) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const Place place;
      {
        Member first(place, named("first"), server(type), tun);
        await_byte(first.guest.socket());
        CHECK(first.address() == "172.18.0.2");
        const std::string address = first.address();
        Member second(
            place, named("second"), [=](int) { return ask(type, address.c_str(), kGuestPort) == "pong" ? 0 : 1; }, tun);
        CHECK(second.address() == "172.18.0.3");
        CHECK(second.guest.exit_status() == 0);
        send_byte(first.guest.socket());
        CHECK(first.guest.exit_status() == 0);
      }
      all_end();
    }
  }
}

TEST_CASE("a bulk of data comes whole from member to member") {
  const Place place;
  constexpr std::size_t kBulk = 64U << 20;
  {
    Member first(place, named("first"), [](int test) {
      const Fd socket = bound(SOCK_STREAM, "0.0.0.0", kGuestPort);
      send_byte(test);
      const Fd peer(::accept(socket.get(), nullptr, nullptr));
      std::vector<char> block(1U << 20);
      std::size_t all = 0, wrong = 0;
      for (ssize_t size = 0; (size = ::recv(peer.get(), block.data(), block.size(), 0)) > 0;) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
          wrong += static_cast<unsigned char>(block[i]) == (all + i) % 251 ? 0U : 1U;
        }
        all += static_cast<std::size_t>(size);
      }
      return all == kBulk && wrong == 0 ? 0 : 1;
    });
    await_byte(first.guest.socket());
    const std::string address = first.address();
    Member second(place, named("second"), [=](int) {
      const Fd socket = make_socket(SOCK_STREAM);
      const sockaddr_in to = address_of(address.c_str(), kGuestPort);
      if (::connect(socket.get(), generic(to), sizeof to) < 0) return 2;
      std::vector<char> all(kBulk);
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i % 251);
      return sys::write_all(socket.get(), all.data(), all.size()) ? 0 : 3;
    });
    CHECK(second.guest.exit_status() == 0);
    CHECK(first.guest.exit_status() == 0);
  }
  all_end();
}

TEST_CASE("the helper ends with its last member, and the next one starts another") {
  const Place place;
  for (int i = 0; i < 3; ++i) {
    Membership first(place.path(), some_network(), named("first"));
    {
      Membership second(place.path(), some_network(), named("second"));
      second.leave();
    }
    CHECK(::waitpid(-1, nullptr, WNOHANG) == 0);
    first.leave();
    CHECK_FALSE(path_exists(place.path() + "/0123456789abcdef.sock"));
    all_end();
  }
}

TEST_CASE("members that come and go at the same time find a helper, whoever starts it") {
  const Place place;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        for (int k = 0; k < 25; ++k) {
          Membership membership(place.path(), some_network(), named("member"));
          membership.leave();
        }
        ::_exit(0);
      } catch (const std::exception& error) {
        MESSAGE(std::string(error.what()));
        ::_exit(1);
      }
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  // Their helpers are nobody's children here.
}

TEST_CASE("an address that is asked for is given or refused, one that is only liked gives way") {
  const Place place;
  Joining wish = named("first");
  wish.address = "172.18.7.7";
  {
    Membership first(place.path(), some_network(), wish);
    CHECK(first.lease().address == "172.18.7.7");
    CHECK(first.lease().hardware_address == "02:42:ac:12:07:07");
    CHECK(Membership(place.path(), some_network(), wish).lease().address != "172.18.7.7");
    wish.address_is_needed = true;
    CHECK(join_error(place, wish) == "network mynet: address 172.18.7.7 is already in use, or not one for a container");
    for (const char* other : {kGateway, "172.18.255.254", "172.18.255.255", "172.18.0.0", "172.19.0.1"}) {
      wish.address = other;
      CHECK(join_error(place, wish).find("or not one for a container") != std::string::npos);
    }
    Joining same = named("second");
    same.hardware_address = "02:42:ac:12:07:07";
    CHECK(join_error(place, same) == "network mynet: hardware address 02:42:ac:12:07:07 is already in use");
    // What was refused has left nothing behind.
    same.hardware_address.clear();
    Membership(place.path(), some_network(), same).leave();
  }
  all_end();
}

TEST_CASE("a member's published ports are its own, and free again when it leaves") {
  const Place place;
  {
    std::vector<PortForward> any{{.host_ip = "127.0.0.1", .host_port = 0, .guest_port = kGuestPort}};
    Member first(place, named("first", any), server(SOCK_STREAM));
    Member second(place, named("second", any), [](int test) {
      const Fd socket = bound(SOCK_STREAM, "0.0.0.0", kGuestPort);
      send_byte(test);
      answer_once(socket, SOCK_STREAM, "other");
      return await_byte(test), 0;
    });
    await_byte(first.guest.socket());
    await_byte(second.guest.socket());
    CHECK(ask(SOCK_STREAM, "127.0.0.1", first.ports.at(0)) == "pong");
    CHECK(ask(SOCK_STREAM, "127.0.0.1", second.ports.at(0)) == "other");
    Joining taken = named("third", {{.host_ip = "127.0.0.1", .host_port = first.ports.at(0), .guest_port = 1}});
    CHECK(join_error(place, taken).find("address already in use") != std::string::npos);
    first.membership.leave();
    CHECK_NOTHROW(bound(SOCK_STREAM, "127.0.0.1", first.ports.at(0)));
  }
  all_end();
}

TEST_CASE("a datagram's answer finds the client of a published port on the host") {
  const Place place;
  {
    Member first(place,
                 named("first", {{.host_ip = "127.0.0.1", .host_port = 0, .guest_port = kGuestPort, .udp = true}}),
                 server(SOCK_DGRAM));
    await_byte(first.guest.socket());
    CHECK(ask(SOCK_DGRAM, "127.0.0.1", first.ports.at(0)) == "pong");
  }
  all_end();
}

TEST_CASE("the host's loopback is closed to members, also where one publishes a port over UDP") {
  const Place place;
  {
    Member publisher(place,
                     named("first", {{.host_ip = "127.0.0.1", .host_port = 0, .guest_port = kGuestPort, .udp = true}}),
                     idle());
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const Fd service = bound(type, "127.0.0.1", 0);
      const std::uint16_t port = port_of(service);
      Member intruder(place, named("second"), [=](int) {
        for (const char* to : {kGateway, "127.0.0.1", "172.18.255.254", "172.18.9.9", "255.255.255.255"}) {
          const Fd socket = make_socket(type);
          ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
          const int on = 1;
          ::setsockopt(socket.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
          const sockaddr_in address = address_of(to, port);
          (void)::connect(socket.get(), generic(address), sizeof address);
          (void)::send(socket.get(), "in", 2, MSG_NOSIGNAL);
          (void)arrives(socket, 50);
        }
        return 0;
      });
      CHECK(intruder.guest.exit_status() == 0);
      CHECK_FALSE(arrives(service, 100));
    }
  }
  all_end();
}

TEST_CASE("a member can't speak for another: what a raw socket sends in its name is dropped") {
  const Place place;
  {
    Member victim(place, named("victim"), [](int test) {
      const Fd socket = bound(SOCK_DGRAM, "0.0.0.0", kGuestPort);
      send_byte(test);
      char buffer[64];
      const ssize_t size = ::recv(socket.get(), buffer, sizeof buffer, 0);  // the true one alone arrives
      return std::string(buffer, size < 0 ? 0 : static_cast<std::size_t>(size)) == "ping" ? 0 : 1;
    });
    await_byte(victim.guest.socket());
    const std::string address = victim.address();
    Member spoofer(place, named("spoofer"), [=](int) {
      const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0800)));
      sockaddr_ll way{};
      way.sll_family = AF_PACKET;
      way.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
      Bytes forged = udp_frame(0xac120001, 53, 0xac120002, kGuestPort);
      const std::array<std::uint8_t, 12> addresses{0x02, 0x42, 0xac, 0x12, 0, 2, 0x02, 0x42, 0xac, 0x12, 0, 3};
      std::ranges::copy(addresses, forged.begin());
      if (::sendto(socket.get(), forged.data(), forged.size(), 0, reinterpret_cast<sockaddr*>(&way), sizeof way) < 0)
        return 2;
      const Fd honest = make_socket(SOCK_DGRAM);
      const sockaddr_in to = address_of(address.c_str(), kGuestPort);
      return ::sendto(honest.get(), "ping", 4, 0, generic(to), sizeof to) == 4 ? 0 : 3;
    });
    CHECK(spoofer.guest.exit_status() == 0);
    CHECK(victim.guest.exit_status() == 0);
  }
  all_end();
}

TEST_CASE("names are answered to whichever server a member asks for, and to nobody else") {
  const Place place;
  const auto asks = [](const char* server) {
    return [=](int) {
      const Fd socket = make_socket(SOCK_DGRAM);
      const sockaddr_in to = address_of(server, 53);
      const Bytes question{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 'f', 'i', 'r', 's', 't', 0, 0, 1, 0, 1};
      (void)::sendto(socket.get(), question.data(), question.size(), 0, generic(to), sizeof to);
      if (!arrives(socket, 2000)) return 1;
      std::array<std::uint8_t, 512> answer{};
      const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), 0);
      const std::array<std::uint8_t, 4> expected{0xac, 0x12, 0, 2};
      return size == 39 && std::equal(expected.begin(), expected.end(), answer.begin() + 35) ? 0 : 2;
    };
  };
  {
    Member first(place, named("first"), idle());
    Joining joining = named("second");
    joining.name_servers = {"192.0.2.53"};
    CHECK(Member(place, joining, asks("172.18.255.254")).guest.exit_status() == 0);
    CHECK(Member(place, joining, asks("192.0.2.53")).guest.exit_status() == 0);
    CHECK(Member(place, named("third"), asks("192.0.2.53")).guest.exit_status() == 1);
  }
  all_end();
}

TEST_CASE("the host's end of a connection learns that the member has gone, even by a kill") {
  const Place place;
  {
    Member publisher(place, named("first", {{.host_ip = "127.0.0.1", .host_port = 0, .guest_port = kGuestPort}}),
                     [](int test) {
                       const Fd socket = bound(SOCK_STREAM, "0.0.0.0", kGuestPort);
                       send_byte(test);
                       const Fd peer(::accept(socket.get(), nullptr, nullptr));
                       send_byte(test);
                       return await_byte(test), 0;
                     });
    Member other(place, named("second"), idle());
    await_byte(publisher.guest.socket());
    const Fd client = make_socket(SOCK_STREAM);
    const sockaddr_in to = address_of("127.0.0.1", publisher.ports.at(0));
    REQUIRE(::connect(client.get(), generic(to), sizeof to) == 0);
    await_byte(publisher.guest.socket());
    ::shutdown(publisher.guest.socket(), SHUT_RDWR);  // it ends
    (void)publisher.guest.exit_status();
    publisher.membership.leave();
    char byte = 0;
    CHECK(::recv(client.get(), &byte, 1, 0) <= 0);
    CHECK(errno != EAGAIN);
  }
  all_end();
}

TEST_CASE("a member that takes all descriptors there are does not keep others from joining and leaving") {
  const Place place;
  {
    Member greedy(place, named("first"), [](int test) {
      const sockaddr_in to = address_of("192.0.2.1", 1000);
      for (std::uint16_t i = 0; i < 9000; ++i) {  // each port costs the helper a descriptor: more than it has for that
        const Fd socket = bound(SOCK_DGRAM, "0.0.0.0", static_cast<std::uint16_t>(10000 + i));
        (void)::sendto(socket.get(), "x", 1, 0, generic(to), sizeof to);
        if (i % 64 == 0) ::usleep(5000);  // an interface holds so many frames at most that its other end has not read
      }
      send_byte(test);
      return await_byte(test), 0;
    });
    await_byte(greedy.guest.socket());
    std::list<Member> others;  // all at once: the helper has to wait for more than its usual limit of descriptors
    for (int i = 0; i < 10; ++i) {
      others.emplace_back(place, named("other"), idle());
      CHECK(others.back().address() != greedy.address());
    }
    send_byte(greedy.guest.socket());
  }
  all_end();
}

TEST_CASE("an internal network has members and their names, and no way out") {
  const Place place;
  Network network = some_network();
  network.internal = true;
  {
    Member first(place, named("first"), server(SOCK_STREAM), Tun::present, network);
    await_byte(first.guest.socket());
    const Fd service = bound(SOCK_STREAM, "0.0.0.0", 0);
    const std::string address = first.address();
    Member second(
        place, named("second"), [=](int) { return ask(SOCK_STREAM, address.c_str(), kGuestPort) == "pong" ? 0 : 1; },
        Tun::present, network);
    CHECK(second.guest.exit_status() == 0);
    Joining publishing = named("third", {{.host_ip = "127.0.0.1", .host_port = 0, .guest_port = 80}});
    CHECK(join_error(place, publishing, network) == "network mynet is internal: ports can't be published from it");
    send_byte(first.guest.socket());
  }
  all_end();
}
