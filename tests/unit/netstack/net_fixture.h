// A container's network as the tests need it: a guest process in its own user and network namespace, a real helper
// beside it, sockets with patience. All as an ordinary user.
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "netstack/netstack.h"
#include "sandbox/base/fd.h"

namespace sandbox::netstack::testing {

constexpr std::uint16_t kGuestPort = 7000;
constexpr const char* kGuestAddress = "10.0.2.100";

/// What the guest finds at /dev/net/tun, by mounts of its own.
enum class Tun { present, missing, closed };
constexpr Tun kEveryTun[] = {Tun::present, Tun::missing, Tun::closed};

/// Root in new namespaces, with `flags` beside CLONE_NEWUSER; for a child. Throws SysError.
void enter_namespaces(int flags);
void write_text(const std::string& path, const std::string& text);

void send_byte(int socket);
void await_byte(int socket);

/// What a guest's interface is like.
struct GuestNic {
  std::string address = kGuestAddress;
  int prefix = 24;
  std::string gateway = "10.0.2.2", hardware_address = {};
};

/// A child in a network of its own. `act` gets a socket to the test and returns the child's exit status.
class Guest {
 public:
  explicit Guest(std::function<int(int)> act, Tun tun = Tun::present, const GuestNic& nic = {});
  ~Guest();
  Fd take_nic() { return std::move(nic_); }
  int socket() const { return socket_.get(); }
  int exit_status();

 private:
  static int run(const std::function<int(int)>& act, Tun tun, const GuestNic& nic, int socket);
  pid_t pid_ = -1;
  Fd socket_, nic_;
};

/// Runs `act` in a child; its result, or 99 for an exception, which it reports.
int in_child(const std::function<int()>& act);

sockaddr_in address_of(const char* ip, std::uint16_t port);
const sockaddr* generic(const sockaddr_in& address);
Fd make_socket(int type);  ///< AF_INET, with five seconds of patience.
Fd bound(int type, const char* ip, std::uint16_t port);
std::uint16_t port_of(const Fd& socket);
std::uint16_t free_port(int type);
/// True when something comes to `socket` within `milliseconds`.
bool arrives(const Fd& socket, int milliseconds);

/// Connects, says "ping" and returns what the peer says; empty when it can't be reached.
std::string ask(int type, const char* ip, std::uint16_t port);
/// Answers one connection or datagram with `answer`.
void answer_once(const Fd& socket, int type, const std::string& answer = "pong");

/// Guests: one that answers `count` times on kGuestPort, one that expects "pong" from elsewhere.
std::function<int(int)> guest_server(int type, int count = 1);
std::function<int(int)> guest_client(int type, const char* ip, std::uint16_t port);

Config forwarding(std::uint16_t port, bool udp, const char* host_ip = "127.0.0.1");

/// The exit status of any child (the helper), or -1 when none ended within five seconds.
int reap_helper();

}  // namespace sandbox::netstack::testing
