// End to end, as an ordinary user: a child in its own user and network namespace behind the real
// helper. The child's part of a test is a function that returns its exit status.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <iostream>
#include <thread>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::netstack;

namespace {

constexpr std::uint16_t kGuestPort = 7000;

void write_text(const char* path, const std::string& text) {
  const Fd file = sys::openat(AT_FDCWD, path, O_WRONLY) | or_throw("opening '{}'", path);
  sys::write_all(file.get(), text.data(), text.size()) | or_throw("writing '{}'", path);
}

void enter_namespaces() {
  const auto uid = ::getuid();
  const auto gid = ::getgid();
  sys::unshare(CLONE_NEWUSER | CLONE_NEWNET) | or_throw("unsharing");
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", fmt::format("0 {} 1", uid));
  write_text("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

void send_byte(int socket) { sys::write_all(socket, "x", 1) | or_throw("sending a byte"); }
void await_byte(int socket) {
  char byte;
  if ((sys::read(socket, &byte, 1) | or_throw("awaiting a byte")) != 1) throw Error("the peer has gone");
}

/// A child in its own network; `act` gets the socket to the test.
class Guest {
 public:
  explicit Guest(const std::function<int(int)>& act) {
    sys::Pair pair = sys::socketpair(SOCK_STREAM) | or_throw("socketpair");
    pid_ = ::fork();
    if (pid_ == 0) {
      pair.first.reset();
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(run(act, pair.second.get()));
    }
    pair.second.reset();
    socket_ = std::move(pair.first);
    sys::Message message = sys::receive_message(socket_.get(), 16) | or_throw("receiving the tap");
    if (message.fds.empty()) throw Error("the guest sent no tap");
    tap_ = std::move(message.fds.front());
  }
  ~Guest() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Fd take_tap() { return std::move(tap_); }
  int socket() const { return socket_.get(); }
  int exit_status() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  static int run(const std::function<int(int)>& act, int socket) {
    try {
      enter_namespaces();
      const Fd tap = create_tap("eth0", "10.0.2.100", 24, "10.0.2.2", 65520);
      const std::byte byte{};
      const int fd = tap.get();
      sys::send_message(socket, {&byte, 1}, {&fd, 1}) | or_throw("sending the tap");
      return act(socket);
    } catch (const std::exception& error) {
      std::cerr << "guest: " << error.what() << "\n";
      return 99;
    }
  }
  pid_t pid_ = -1;
  Fd socket_, tap_;
};

sockaddr_in address_of(const char* ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}
const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

Fd make_socket(int type) {
  Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "socket");
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return socket;
}

Fd bound(int type, const char* ip, std::uint16_t port) {
  Fd socket = make_socket(type);
  const sockaddr_in address = address_of(ip, port);
  if (::bind(socket.get(), generic(address), sizeof address) < 0) throw SysError(Errno{errno}, "bind");
  if (type == SOCK_STREAM && ::listen(socket.get(), 8) < 0) throw SysError(Errno{errno}, "listen");
  return socket;
}

std::uint16_t port_of(const Fd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

std::uint16_t free_port(int type) { return port_of(bound(type, "127.0.0.1", 0)); }

/// Connects and returns what the peer says; empty when it can't be reached.
std::string ask(int type, const char* ip, std::uint16_t port) {
  const Fd socket = make_socket(type);
  const sockaddr_in address = address_of(ip, port);
  if (::connect(socket.get(), generic(address), sizeof address) < 0) return {};
  if (::send(socket.get(), "ping", 4, MSG_NOSIGNAL) != 4) return {};
  char buffer[64];
  const ssize_t size = ::recv(socket.get(), buffer, sizeof buffer, 0);
  return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : std::string{};
}

/// Answers one TCP connection or one datagram with "pong".
void answer_once(const Fd& socket, int type) {
  char buffer[64];
  if (type == SOCK_STREAM) {
    const Fd peer(::accept(socket.get(), nullptr, nullptr));
    if (::recv(peer.get(), buffer, sizeof buffer, 0) > 0) ::send(peer.get(), "pong", 4, MSG_NOSIGNAL);
    return;
  }
  sockaddr_in from{};
  socklen_t size = sizeof from;
  if (::recvfrom(socket.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size) > 0) {
    ::sendto(socket.get(), "pong", 4, 0, generic(from), size);
  }
}

std::function<int(int)> guest_server(int type) {
  return [type](int test) {
    const Fd socket = bound(type, "10.0.2.100", kGuestPort);
    send_byte(test);
    answer_once(socket, type);
    await_byte(test);
    return 0;
  };
}

std::function<int(int)> guest_client(const char* ip, std::uint16_t port) {
  return [=](int test) {
    await_byte(test);
    return ask(SOCK_STREAM, ip, port) == "pong" ? 0 : 1;
  };
}

Config forwarding(std::uint16_t port, bool udp) {
  Config config;
  config.forwards.push_back({.host_ip = "127.0.0.1", .host_port = port, .guest_port = kGuestPort, .udp = udp});
  return config;
}

/// The exit status of any child (the helper), or -1 when none ended within five seconds.
int reap_helper() {
  for (int i = 0; i < 500; ++i) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid > 0) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (pid < 0) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return -1;
}

std::string spawn_error(const Config& config) {
  Guest guest([](int test) { return await_byte(test), 0; });
  try {
    spawn_netstack(config, guest.take_tap());
  } catch (const Error& error) {
    return std::string(error.what()) + "|" + error.hint();
  }
  return "no error";
}

bool guest_reaches_host_loopback(bool allowed, const char* ip) {
  const Fd server = bound(SOCK_STREAM, "127.0.0.1", 0);
  Guest guest(guest_client(ip, port_of(server)));
  Config config;
  config.allow_host_loopback = allowed;
  Fd lifetime = spawn_netstack(config, guest.take_tap());
  send_byte(guest.socket());
  pollfd waiting{.fd = server.get(), .events = POLLIN, .revents = 0};
  const bool arrived = ::poll(&waiting, 1, 2000) == 1;
  if (arrived) answer_once(server, SOCK_STREAM);
  const int status = guest.exit_status();
  lifetime.reset();
  CHECK(reap_helper() == 0);
  CHECK(arrived == (status == 0));
  return arrived;
}

void check_udp_forward(bool allow_host_loopback) {
  Guest guest(guest_server(SOCK_DGRAM));
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Config config = forwarding(port, true);
  config.allow_host_loopback = allow_host_loopback;
  Fd lifetime = spawn_netstack(config, guest.take_tap());
  await_byte(guest.socket());
  CHECK(ask(SOCK_DGRAM, "127.0.0.1", port) == "pong");
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  lifetime.reset();
  CHECK(reap_helper() == 0);
}

}  // namespace

TEST_CASE("a TCP server in the container is reached through a forwarded port, and the helper ends with its lifetime") {
  Guest guest(guest_server(SOCK_STREAM));
  const std::uint16_t port = free_port(SOCK_STREAM);
  Fd lifetime = spawn_netstack(forwarding(port, false), guest.take_tap());
  await_byte(guest.socket());
  CHECK(ask(SOCK_STREAM, "127.0.0.1", port) == "pong");
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == 0);  // still serving
  lifetime.reset();
  CHECK(reap_helper() == 0);
}

TEST_CASE("a UDP server in the container is reached from the host's loopback when host loopback is allowed") {
  check_udp_forward(true);
}

// libslirp 4.7 gives a client on 127.0.0.1 the gateway's address and then drops the answers to it.
TEST_CASE("a UDP server is reached from the host's loopback also when host loopback is forbidden" *
          doctest::should_fail()) {
  check_udp_forward(false);
}

TEST_CASE("the host's loopback is out of reach through the gateway unless allowed") {
  CHECK_FALSE(guest_reaches_host_loopback(false, "10.0.2.2"));
  CHECK(guest_reaches_host_loopback(true, "10.0.2.2"));
}

TEST_CASE("a port in use is reported with its name") {
  const Fd tcp = bound(SOCK_STREAM, "127.0.0.1", 0);
  CHECK(spawn_error(forwarding(port_of(tcp), false)) ==
        fmt::format("port 127.0.0.1:{}/tcp: address already in use|", port_of(tcp)));
  const Fd udp = bound(SOCK_DGRAM, "127.0.0.1", 0);
  CHECK(spawn_error(forwarding(port_of(udp), true)) ==
        fmt::format("port 127.0.0.1:{}/udp: address already in use|", port_of(udp)));
}

TEST_CASE("a port below the unprivileged ones is refused with the sysctl that helps") {
  if (::geteuid() == 0 || std::stoi(read_file("/proc/sys/net/ipv4/ip_unprivileged_port_start")) <= 81) return;
  CHECK(spawn_error(forwarding(81, false)) ==
        "port 127.0.0.1:81/tcp: Permission denied|"
        "let users bind low ports: sysctl net.ipv4.ip_unprivileged_port_start=81");
}

TEST_CASE("addresses outside the network and malformed ones are refused by the helper") {
  Config config;
  config.dns = "10.0.3.3";
  CHECK(spawn_error(config).find("not both in the network") != std::string::npos);
  config.dns = "nonsense";
  CHECK(spawn_error(config) == "'nonsense' is not an IPv4 address|");
}

TEST_CASE("a query to the virtual name server leaves the confined helper alive") {
  Guest guest([](int test) {
    await_byte(test);
    const Fd socket = make_socket(SOCK_DGRAM);
    const sockaddr_in address = address_of("10.0.2.3", 53);
    ::connect(socket.get(), generic(address), sizeof address);
    const char query[] = "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07" "example\x03" "com\0\0\x01\0\x01";
    for (int i = 0; i < 3; ++i) {
      ::send(socket.get(), query, sizeof query - 1, 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(700));  // libslirp looks again after a second
    }
    return 0;
  });
  Fd lifetime = spawn_netstack(Config{}, guest.take_tap());
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == 0);
  lifetime.reset();
  CHECK(reap_helper() == 0);
}
