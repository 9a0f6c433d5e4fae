// See stack.h. Nothing may be thrown through libslirp, hence noexcept.
#include "netstack/stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <limits>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::optional<in6_addr> parse_address6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1 ? std::optional(address) : std::nullopt;
}

std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

in_addr network_order(std::uint32_t address) { return {.s_addr = htonl(address)}; }

SlirpConfig slirp_config(const Stack::Settings& wanted) {
  SlirpConfig settings{};
  // Nothing newer than the first version is wanted, so that every libslirp 4 serves.
  settings.version = 1;
  settings.in_enabled = true;
  settings.vnetwork = network_order(wanted.network.first);
  settings.vnetmask = network_order(~std::uint32_t{0} << (32 - wanted.network.prefix));
  settings.vhost = network_order(wanted.gateway);
  settings.vnameserver = network_order(wanted.dns);
  settings.vdhcp_start = network_order(wanted.guest);
  settings.if_mtu = settings.if_mru = static_cast<std::size_t>(wanted.mtu);
  settings.disable_host_loopback = !wanted.loopback_open;
  return settings;
}

/// A port that nobody listens on at `host`, as the kernel chooses one (ip_local_port_range).
std::uint16_t free_port(const in_addr& host, bool udp) {
  const Fd socket(::socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = host;
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!socket || ::bind(socket.get(), generic, size) < 0 || ::getsockname(socket.get(), generic, &size) < 0) {
    throw SysError(Errno{errno}, "looking for a free port");
  }
  return ntohs(address.sin_port);
}

std::string name_of(const PortForward& forward) {
  const std::string host = parse_address6(forward.host_ip) ? "[" + forward.host_ip + "]" : forward.host_ip;
  return fmt::format("port {}:{}/{}", host, forward.host_port, forward.udp ? "udp" : "tcp");
}

[[noreturn]] void refuse(const PortForward& forward, Errno reason) {
  std::string hint;
  if (reason.value == EACCES && forward.host_port < 1024) {
    hint = fmt::format("let users bind low ports: sysctl net.ipv4.ip_unprivileged_port_start={}", forward.host_port);
  }
  std::string text = reason.message();
  if (reason.value == EADDRINUSE) text = "address already in use";
  throw Error(fmt::format("{}: {}", name_of(forward), text), hint);
}

}  // namespace

in_addr parse_address(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) {
    throw InvalidInput(fmt::format("'{}' is not an IPv4 address", text));
  }
  return address;
}

std::int64_t now_ms() noexcept { return now_ns() / 1'000'000; }

std::vector<std::uint16_t> loopback_udp_ports(const std::vector<PortForward>& forwards) {
  std::vector<std::uint16_t> ports;
  for (const PortForward& forward : forwards) {
    if (!forward.udp || parse_address6(forward.host_ip)) continue;
    const std::uint32_t host = ntohl(parse_address(forward.host_ip).s_addr);
    if ((host == INADDR_ANY || host >> 24 == IN_LOOPBACKNET)) ports.push_back(forward.guest_port);
  }
  return ports;
}

Stack::Stack(const Settings& wanted, Deliver deliver) : deliver_(std::move(deliver)) {
  for (const std::uint32_t address : {wanted.gateway, wanted.dns}) {
    if (wanted.network.contains(address)) continue;
    throw InvalidInput(fmt::format("gateway {} and name server {} are not both in the network {}",
                                   ipv4_text(wanted.gateway), ipv4_text(wanted.dns), wanted.network.text()));
  }
  const SlirpConfig settings = slirp_config(wanted);
  slirp_ = library_.create(&settings, &callbacks_, this);
  if (slirp_ == nullptr) throw Error("libslirp refused the network configuration");
}

SlirpCb Stack::callbacks() noexcept {
  SlirpCb table{};
  table.send_packet = [](const void* data, std::size_t size, void* opaque) noexcept -> ssize_t {
    of(opaque).deliver_({static_cast<const std::uint8_t*>(data), size});
    return static_cast<ssize_t>(size);
  };
  table.guest_error = [](const char*, void*) noexcept {};  // The container must not fill the log.
  table.clock_get_ns = [](void*) noexcept -> std::int64_t { return now_ns(); };
  table.timer_new = [](SlirpTimerCb callback, void* argument, void* opaque) noexcept -> void* {
    return &of(opaque).timers_.emplace_back(Timer{callback, argument, kNever});
  };
  table.timer_free = [](void* timer, void* opaque) noexcept {
    of(opaque).timers_.remove_if([timer](const Timer& entry) { return &entry == timer; });
  };
  table.timer_mod = [](void* timer, std::int64_t due_ms, void*) noexcept {
    static_cast<Timer*>(timer)->due_ms = due_ms;
  };
  table.register_poll_fd = [](int, void*) noexcept {};
  table.unregister_poll_fd = [](int, void*) noexcept {};
  table.notify = [](void*) noexcept {};
  return table;
}

/// 0, or the error number.
int Stack::listen(const PortForward& forward, std::uint16_t port, std::uint32_t guest) {
  const in_addr host = parse_address(forward.host_ip);
  errno = 0;
  if (library_.add_hostfwd(slirp_, forward.udp ? 1 : 0, host, port, network_order(guest), forward.guest_port) != 0) {
    return errno != 0 ? errno : EIO;
  }
  published_.push_back({.guest = guest, .udp = forward.udp, .host = host, .port = port, .relay = {}});
  return 0;
}

std::uint16_t Stack::relay(const PortForward& forward, const in6_addr& host, std::uint32_t guest) {
  if (forward.udp) throw Unsupported(name_of(forward) + ": UDP can be published on IPv4 addresses only");
  const std::uint16_t inner =
      publish({.host_ip = "127.0.0.1", .host_port = 0, .guest_port = forward.guest_port}, guest);
  try {
    return published_.back().relay.emplace_back(host, forward.host_port, inner).port();
  } catch (const SysError& error) {
    refuse(forward, Errno{error.code()});
  }
}

std::uint16_t Stack::publish(const PortForward& forward, std::uint32_t guest) {
  if (const auto host = parse_address6(forward.host_ip)) return relay(forward, *host, guest);
  constexpr int kTries = 16;  // Somebody else may take a port between our look and libslirp's bind(2).
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    const bool choose = forward.host_port == 0;
    const std::uint16_t port = choose ? free_port(parse_address(forward.host_ip), forward.udp) : forward.host_port;
    error = listen(forward, port, guest);
    if (error == 0) return port;
    if (!choose || error != EADDRINUSE) break;
  }
  refuse(forward, Errno{error});
}

void Stack::withdraw(std::uint32_t guest) {
  std::erase_if(published_, [&](const Published& one) {
    if (one.guest != guest) return false;
    library_.remove_hostfwd(slirp_, one.udp ? 1 : 0, one.host, one.port);
    return true;
  });
}

void Stack::input(FrameBuffer frame) { library_.input(slirp_, frame.data(), static_cast<int>(frame.size())); }

constexpr std::array<std::pair<int, short>, 5> kEvents{{{SLIRP_POLL_IN, POLLIN},
                                                        {SLIRP_POLL_OUT, POLLOUT},
                                                        {SLIRP_POLL_PRI, POLLPRI},
                                                        {SLIRP_POLL_ERR, POLLERR},
                                                        {SLIRP_POLL_HUP, POLLHUP}}};

int Stack::add_poll(int fd, int events, void* opaque) noexcept {
  pollfd entry{.fd = fd, .events = 0, .revents = 0};
  for (const auto& [slirp, system] : kEvents) {
    if ((events & slirp) != 0) entry.events = static_cast<short>(entry.events | system);
  }
  auto& polls = *of(opaque).polls_;
  polls.push_back(entry);
  return static_cast<int>(polls.size() - 1);
}

int Stack::returned_events(int index, void* opaque) noexcept {
  const short returned = (*of(opaque).polls_)[static_cast<std::size_t>(index)].revents;
  int events = 0;
  for (const auto& [slirp, system] : kEvents) {
    if ((returned & system) != 0) events |= slirp;
  }
  return events;
}

int Stack::add_polls(std::vector<pollfd>& polls) {
  polls_ = &polls;
  std::uint32_t wanted = std::numeric_limits<std::uint32_t>::max();
  library_.pollfds_fill(slirp_, &wanted, &Stack::add_poll, this);
  for (Published& one : published_) {
    for (Relay& relay : one.relay) relay.add_polls(polls);
  }
  std::int64_t timeout = wanted;
  const std::int64_t now = now_ms();
  for (const Timer& timer : timers_) {
    if (timer.due_ms != kNever) timeout = std::min(timeout, std::max<std::int64_t>(timer.due_ms - now, 0));
  }
  return timeout > std::numeric_limits<int>::max() ? -1 : static_cast<int>(timeout);
}

void Stack::serve(std::vector<pollfd>& polls, bool failed) {
  polls_ = &polls;
  library_.pollfds_poll(slirp_, failed ? 1 : 0, &Stack::returned_events, this);
  for (Published& one : published_) {
    for (Relay& relay : one.relay) {
      if (!failed) relay.serve(polls);
    }
  }
  run_timers();
}

void Stack::run_timers() {
  const std::int64_t now = now_ms();
  for (Timer& timer : timers_) {
    if (timer.due_ms > now) continue;
    timer.due_ms = kNever;
    timer.callback(timer.argument);
  }
}

}  // namespace sandbox::netstack
