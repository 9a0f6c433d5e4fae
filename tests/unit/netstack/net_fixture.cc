#include "net_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack::testing {
namespace {

void hide_tun(Tun tun) {
  if (tun == Tun::present) return;
  sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) | or_throw("making the mounts private");
  if (tun == Tun::missing) {
    sys::mount("none", "/dev/net", "tmpfs", 0, nullptr) | or_throw("hiding /dev/net");
    return;
  }
  // On a mount without devices opening one fails with EACCES, as a mode of 0600 does.
  sys::mount("/dev/net/tun", "/dev/net/tun", nullptr, MS_BIND, nullptr) | or_throw("binding /dev/net/tun");
  sys::mount(nullptr, "/dev/net/tun", nullptr, MS_BIND | MS_REMOUNT | MS_NODEV | MS_NOSUID | MS_NOEXEC, nullptr) |
      or_throw("closing /dev/net/tun");
}

}  // namespace

void write_text(const std::string& path, const std::string& text) {
  const Fd file =
      sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644) | or_throw("opening '{}'", path);
  sys::write_all(file.get(), text.data(), text.size()) | or_throw("writing '{}'", path);
}

void enter_namespaces(int flags) {
  const auto uid = ::getuid();
  const auto gid = ::getgid();
  sys::unshare(CLONE_NEWUSER | flags) | or_throw("unsharing");
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", fmt::format("0 {} 1", uid));
  write_text("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

void send_byte(int socket) { sys::write_all(socket, "x", 1) | or_throw("sending a byte"); }
void await_byte(int socket) {
  char byte;
  if ((sys::read(socket, &byte, 1) | or_throw("awaiting a byte")) != 1) throw Error("the peer has gone");
}

Guest::Guest(std::function<int(int)> act, Tun tun, const GuestNic& nic) {
  sys::Pair pair = sys::socketpair(SOCK_STREAM) | or_throw("socketpair");
  pid_ = ::fork();
  if (pid_ == 0) {
    pair.first.reset();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(run(act, tun, nic, pair.second.get()));
  }
  pair.second.reset();
  socket_ = std::move(pair.first);
  sys::Message message = sys::receive_message(socket_.get(), 16) | or_throw("receiving the interface");
  if (message.fds.empty()) throw Error("the guest sent no interface");
  nic_ = std::move(message.fds.front());
}

Guest::~Guest() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

int Guest::exit_status() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int Guest::run(const std::function<int(int)>& act, Tun tun, const GuestNic& wanted, int socket) {
  try {
    enter_namespaces(CLONE_NEWNET | CLONE_NEWNS);
    hide_tun(tun);
    bring_up_loopback();
    const Fd nic = create_nic("eth0", wanted.address, wanted.prefix, wanted.gateway, 65520, wanted.hardware_address);
    const bool is_socket = S_ISSOCK((sys::fstat(nic.get()) | or_throw("fstat")).st_mode);
    if (is_socket != (tun != Tun::present)) throw Error("not the rung that was expected");
    const std::byte byte{};
    const int fd = nic.get();
    sys::send_message(socket, {&byte, 1}, {&fd, 1}) | or_throw("sending the interface");
    return act(socket);
  } catch (const std::exception& error) {
    std::cerr << "guest: " << error.what() << "\n";
    return 99;
  }
}

int in_child(const std::function<int()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      ::_exit(act());
    } catch (const std::exception& error) {
      std::cerr << "child: " << error.what() << "\n";
      ::_exit(99);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

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
  const int on = 1;
  if (type == SOCK_STREAM) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
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

bool arrives(const Fd& socket, int milliseconds) {
  pollfd waiting{.fd = socket.get(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, milliseconds) == 1;
}

std::string ask(int type, const char* ip, std::uint16_t port) {
  const Fd socket = make_socket(type);
  const sockaddr_in address = address_of(ip, port);
  if (::connect(socket.get(), generic(address), sizeof address) < 0) return {};
  if (::send(socket.get(), "ping", 4, MSG_NOSIGNAL) != 4) return {};
  // libslirp drops a datagram whose receiver has not answered an ARP question within a second.
  for (int i = 0; type == SOCK_DGRAM && i < 3 && !arrives(socket, 2000); ++i)
    (void)::send(socket.get(), "ping", 4, MSG_NOSIGNAL);
  char buffer[64];
  const ssize_t size = ::recv(socket.get(), buffer, sizeof buffer, 0);
  return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : std::string{};
}

void answer_once(const Fd& socket, int type, const std::string& answer) {
  char buffer[64];
  if (type == SOCK_STREAM) {
    const Fd peer(::accept(socket.get(), nullptr, nullptr));
    if (::recv(peer.get(), buffer, sizeof buffer, 0) > 0)
      ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    return;
  }
  sockaddr_in from{};
  socklen_t size = sizeof from;
  if (::recvfrom(socket.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size) > 0) {
    ::sendto(socket.get(), answer.data(), answer.size(), 0, generic(from), size);
  }
}

std::function<int(int)> guest_server(int type, int count) {
  return [=](int test) {
    const Fd socket = bound(type, kGuestAddress, kGuestPort);
    send_byte(test);
    for (int i = 0; i < count; ++i) answer_once(socket, type);
    await_byte(test);
    return 0;
  };
}

std::function<int(int)> guest_client(int type, const char* ip, std::uint16_t port) {
  return [=](int test) {
    await_byte(test);
    return ask(type, ip, port) == "pong" ? 0 : 1;
  };
}

Config forwarding(std::uint16_t port, bool udp, const char* host_ip) {
  Config config;
  config.forwards.push_back({.host_ip = host_ip, .host_port = port, .guest_port = kGuestPort, .udp = udp});
  return config;
}

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

}  // namespace sandbox::netstack::testing
