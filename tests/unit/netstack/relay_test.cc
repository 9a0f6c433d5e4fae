// Connections to IPv6 addresses passed on to a listener on 127.0.0.1, in one poll loop as in the helper.
#include "netstack/relay.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "net_fixture.h"
#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

/// A relay from a port of ::1, served by a thread as long as this lives.
class Served {
 public:
  explicit Served(std::uint16_t inner_port) : relay_(in6addr_loopback, 0, inner_port) {
    thread_ = std::thread([this] {
      std::vector<pollfd> polls;
      while (!over_) {
        polls.clear();
        relay_.add_polls(polls);
        if (::poll(polls.data(), polls.size(), 20) > 0) relay_.serve(polls);
      }
    });
  }
  ~Served() {
    over_ = true;
    thread_.join();
  }
  Fd connect() const {
    Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(relay_.port());
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) socket.reset();
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return socket;
  }

 private:
  Relay relay_;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

/// Up to the end of the stream.
std::string read_all(const Fd& socket) {
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(socket.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

Fd accepted(const Fd& listener) { return Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

}  // namespace

TEST_CASE("each side's end is passed on when all that came before it has arrived") {
  const Fd listener = bound(SOCK_STREAM, "127.0.0.1", 0);
  const Served served(port_of(listener));
  const Fd client = served.connect();
  REQUIRE(client);
  const std::string question(2'000'000, 'q'), answer(1'000'000, 'a');
  std::thread server([&] {
    const Fd peer = accepted(listener);
    CHECK(read_all(peer) == question);
    CHECK(::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL) == ssize_t(answer.size()));
  });
  CHECK(::send(client.get(), question.data(), question.size(), MSG_NOSIGNAL) == ssize_t(question.size()));
  ::shutdown(client.get(), SHUT_WR);
  CHECK(read_all(client) == answer);
  server.join();
}

TEST_CASE("a client that can't be passed on is told so, and the next one is served") {
  Fd listener = bound(SOCK_STREAM, "127.0.0.1", 0);
  const std::uint16_t port = port_of(listener);
  const Served served(port);
  listener.reset();
  CHECK(read_all(served.connect()).empty());
  listener = bound(SOCK_STREAM, "127.0.0.1", port);
  const Fd client = served.connect();
  const Fd peer = accepted(listener);
  CHECK(::send(peer.get(), "here", 4, MSG_NOSIGNAL) == 4);
  ::shutdown(peer.get(), SHUT_RDWR);
  CHECK(read_all(client) == "here");
}

TEST_CASE("clients beyond the bound wait until another one has gone") {
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = 5 * Relay::kMostConnections;  // four of each connection are ours
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  const Fd listener = bound(SOCK_STREAM, "127.0.0.1", 0);
  const Served served(port_of(listener));
  std::vector<Fd> clients, peers;
  for (std::size_t i = 0; i < Relay::kMostConnections; ++i) {
    clients.push_back(served.connect());
    peers.push_back(accepted(listener));
    REQUIRE(peers.back());
  }
  const Fd late = served.connect();  // in the listener's queue
  CHECK_FALSE(arrives(listener, 200));
  clients.clear();
  peers.clear();
  CHECK(arrives(listener, 5000));
}
