// The network helper: one libslirp between the container's interface and ordinary sockets. Runs in a
// process of its own, started by spawn.cc. One thread; after confine(), which comes before the interface
// arrives, it only moves frames. It ends when its channel to the supervisor hangs up or the interface fails.
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <limits>
#include <list>
#include <optional>
#include <span>

#include "netstack/confine.h"
#include "netstack/frame_gate.h"
#include "netstack/netstack.h"
#include "netstack/relay.h"
#include "netstack/slirp_library.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;
constexpr int kFramesPerTurn = 64;  // Bounds how long the container can keep the sockets waiting.

in_addr parse_address(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) {
    throw InvalidInput(fmt::format("'{}' is not an IPv4 address", text));
  }
  return address;
}

std::optional<in6_addr> parse_address6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1 ? std::optional(address) : std::nullopt;
}

std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::int64_t now_ms() noexcept { return now_ns() / kNanosecondsPerMillisecond; }

struct Timer {
  SlirpTimerCb callback;
  void* argument;
  std::int64_t due_ms;
};

/// State behind libslirp's opaque pointer. Nothing may be thrown through libslirp, hence noexcept.
class Stack {
 public:
  explicit Stack(const Config& config);
  ~Stack() { library_.cleanup(slirp_); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  /// Listens; returns the host's port.
  std::uint16_t forward(const PortForward& forward);
  /// Returns when the other side of `lifetime` has stopped writing or `nic` has failed.
  void serve(const Fd& nic, const Fd& lifetime);

 private:
  static Stack& of(void* opaque) noexcept { return *static_cast<Stack*>(opaque); }
  static SlirpCb callbacks() noexcept;
  static int add_poll(int fd, int events, void* opaque) noexcept;
  static int returned_events(int index, void* opaque) noexcept;

  int listen(const PortForward& forward, std::uint16_t port);
  std::uint16_t relay(const PortForward& forward, const in6_addr& host);
  void send(std::span<const std::uint8_t> frame) noexcept;
  int prepare_poll(int lifetime);
  bool read_frames();
  void run_timers();

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  const SlirpLibrary& library_ = slirp_library();
  const SlirpCb callbacks_ = callbacks();
  const int mtu_;
  const in_addr guest_;
  FrameGate gate_;
  int nic_ = -1;
  std::list<Timer> timers_;
  std::list<Relay> relays_;
  std::vector<pollfd> polled_;
  std::array<std::uint8_t, 65536 + 64> frame_{};
  Slirp* slirp_ = nullptr;
};

/// Ports in the container that are published over UDP where a client on the host's loopback can reach them.
std::vector<std::uint16_t> loopback_udp_ports(const Config& config) {
  std::vector<std::uint16_t> ports;
  for (const PortForward& forward : config.forwards) {
    if (!forward.udp || parse_address6(forward.host_ip)) continue;
    const std::uint32_t host = ntohl(parse_address(forward.host_ip).s_addr);
    if ((host == INADDR_ANY || host >> 24 == IN_LOOPBACKNET)) ports.push_back(forward.guest_port);
  }
  return ports;
}

GateRules gate_rules(const Config& config) {
  return {.gateway = ntohl(parse_address(config.gateway).s_addr),
          .guest = ntohl(parse_address(config.guest_address).s_addr),
          .loopback_allowed = config.allow_host_loopback,
          .udp_ports = loopback_udp_ports(config)};
}

SlirpConfig slirp_config(const Config& config) {
  SlirpConfig settings{};
  // Nothing newer than the first version is wanted, so that every libslirp 4 serves.
  settings.version = 1;
  settings.in_enabled = true;
  settings.vnetmask.s_addr = htonl(~std::uint32_t{0} << (32 - config.prefix));
  settings.vdhcp_start = parse_address(config.guest_address);
  settings.vnetwork.s_addr = settings.vdhcp_start.s_addr & settings.vnetmask.s_addr;
  settings.vhost = parse_address(config.gateway);
  settings.vnameserver = parse_address(config.dns);
  for (const in_addr& address : {settings.vhost, settings.vnameserver}) {
    if ((address.s_addr & settings.vnetmask.s_addr) != settings.vnetwork.s_addr) {
      throw InvalidInput(fmt::format("gateway {} and name server {} are not both in the network of {}/{}",
                                     config.gateway, config.dns, config.guest_address, config.prefix));
    }
  }
  settings.if_mtu = settings.if_mru = static_cast<std::size_t>(config.mtu);
  // Where it stays open for the answers of published UDP ports, the gate closes it (frame_gate.h).
  settings.disable_host_loopback = !config.allow_host_loopback && loopback_udp_ports(config).empty();
  return settings;
}

Stack::Stack(const Config& config)
    : mtu_(config.mtu), guest_(parse_address(config.guest_address)), gate_(gate_rules(config)) {
  const SlirpConfig settings = slirp_config(config);
  slirp_ = library_.create(&settings, &callbacks_, this);
  if (slirp_ == nullptr) throw Error("libslirp refused the network configuration");
}

/// To the container, unless empty. A frame that the interface refuses (full, down) is lost, as on a wire.
void Stack::send(std::span<const std::uint8_t> frame) noexcept {
  if (!frame.empty()) static_cast<void>(sys::write(nic_, frame.data(), frame.size()));
}

SlirpCb Stack::callbacks() noexcept {
  SlirpCb table{};
  table.send_packet = [](const void* data, std::size_t size, void* opaque) noexcept -> ssize_t {
    Stack& stack = of(opaque);
    stack.send(stack.gate_.deliver({static_cast<const std::uint8_t*>(data), size}, now_ms()));
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

/// 0, or the error number.
int Stack::listen(const PortForward& forward, std::uint16_t port) {
  const in_addr host = parse_address(forward.host_ip);
  errno = 0;
  if (library_.add_hostfwd(slirp_, forward.udp ? 1 : 0, host, port, guest_, forward.guest_port) == 0) return 0;
  return errno != 0 ? errno : EIO;
}

std::uint16_t Stack::relay(const PortForward& forward, const in6_addr& host) {
  if (forward.udp) throw Unsupported(name_of(forward) + ": UDP can be published on IPv4 addresses only");
  const std::uint16_t inner = this->forward({.host_ip = "127.0.0.1", .host_port = 0, .guest_port = forward.guest_port});
  try {
    return relays_.emplace_back(host, forward.host_port, inner).port();
  } catch (const SysError& error) {
    refuse(forward, Errno{error.code()});
  }
}

std::uint16_t Stack::forward(const PortForward& forward) {
  if (const auto host = parse_address6(forward.host_ip)) return relay(forward, *host);
  constexpr int kTries = 16;  // Somebody else may take a port between our look and libslirp's bind(2).
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    const bool choose = forward.host_port == 0;
    const std::uint16_t port = choose ? free_port(parse_address(forward.host_ip), forward.udp) : forward.host_port;
    error = listen(forward, port);
    if (error == 0) return port;
    if (!choose || error != EADDRINUSE) break;
  }
  refuse(forward, Errno{error});
}

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
  auto& polled = of(opaque).polled_;
  polled.push_back(entry);
  return static_cast<int>(polled.size() - 1);
}

int Stack::returned_events(int index, void* opaque) noexcept {
  const short returned = of(opaque).polled_[static_cast<std::size_t>(index)].revents;
  int events = 0;
  for (const auto& [slirp, system] : kEvents) {
    if ((returned & system) != 0) events |= slirp;
  }
  return events;
}

/// Fills `polled_` (the lifetime, the interface, libslirp's sockets, the relays'); returns poll's timeout.
int Stack::prepare_poll(int lifetime) {
  polled_.clear();
  polled_.push_back({.fd = lifetime, .events = POLLRDHUP, .revents = 0});
  polled_.push_back({.fd = nic_, .events = POLLIN, .revents = 0});
  std::uint32_t wanted = std::numeric_limits<std::uint32_t>::max();
  library_.pollfds_fill(slirp_, &wanted, &Stack::add_poll, this);
  for (Relay& relay : relays_) relay.add_polls(polled_);
  std::int64_t timeout = wanted;
  const std::int64_t now = now_ms();
  for (const Timer& timer : timers_) {
    if (timer.due_ms != kNever) timeout = std::min(timeout, std::max<std::int64_t>(timer.due_ms - now, 0));
  }
  return timeout > std::numeric_limits<int>::max() ? -1 : static_cast<int>(timeout);
}

void Stack::run_timers() {
  const std::int64_t now = now_ms();
  for (Timer& timer : timers_) {
    if (timer.due_ms > now) continue;
    timer.due_ms = kNever;
    timer.callback(timer.argument);
  }
}

/// False when the interface is gone.
bool Stack::read_frames() {
  // A packet socket hands out frames of any size that the container's side was set to; a tap keeps to its MTU.
  const std::size_t largest = static_cast<std::size_t>(mtu_) + 14;
  for (int i = 0; i < kFramesPerTurn; ++i) {
    const Result<std::size_t> size = sys::read(nic_, frame_.data(), frame_.size());
    if (!size) return size.error().value == EAGAIN;
    if (*size == 0) return false;
    if (*size > largest) continue;
    const std::span frame(frame_.data(), *size);
    if (!gate_.admits(frame, now_ms())) {
      send(gate_.refusal(frame));
      continue;
    }
    library_.input(slirp_, frame_.data(), static_cast<int>(*size));
  }
  return true;
}

void Stack::serve(const Fd& nic, const Fd& lifetime) {
  nic_ = nic.get();
  sys::set_nonblocking(nic_, true) | or_throw("making the interface non-blocking");
  for (;;) {
    const int timeout = prepare_poll(lifetime.get());
    const int count = ::poll(polled_.data(), polled_.size(), timeout);
    if (count < 0 && errno != EINTR) throw SysError(Errno{errno}, "waiting for network traffic");
    const short hung_up = count < 0 ? short{0} : polled_[0].revents;
    const short frames = count < 0 ? short{0} : polled_[1].revents;
    if (hung_up != 0 || (frames & (POLLERR | POLLHUP | POLLNVAL)) != 0) return;
    library_.pollfds_poll(slirp_, count < 0 ? 1 : 0, &Stack::returned_events, this);
    for (Relay& relay : relays_) {
      if (count > 0) relay.serve(polled_);
    }
    if ((frames & POLLIN) != 0 && !read_frames()) return;
    run_timers();
  }
}

Config read_config(const Fd& file) {
  constexpr std::size_t kLimit = 1U << 20;
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const std::size_t size = sys::read(file.get(), chunk.data(), chunk.size()) | or_throw("reading the configuration");
    if (size == 0) return config_from_json(parse_json(text, "network configuration"));
    text.append(chunk.data(), size);
    if (text.size() > kLimit) throw InvalidInput("network configuration: larger than 1 MiB");
  }
}

/// A supervisor that has gone needs no answer.
void answer(const Fd& channel, const std::string& text) {
  static_cast<void>(sys::send_message(channel.get(), std::as_bytes(std::span(text)), {}));
}

/// The interface, once the container has one; no value when the supervisor gave up before.
std::optional<Fd> receive_nic(const Fd& channel) {
  sys::Message message = sys::receive_message(channel.get(), 16) | or_throw("receiving the network interface");
  if (message.fds.empty()) return std::nullopt;
  return std::move(message.fds.front());
}

/// Returns the interface, which is still open, when there is nothing more to serve; its sockets are closed by then.
std::optional<Fd> serve_until_the_end(const Config& settings, const Fd& channel) {
  Stack stack(settings);
  std::string ready = "R";
  for (const PortForward& forward : settings.forwards) ready += fmt::format(" {}", stack.forward(forward));
  confine();
  std::optional<Fd> nic = receive_nic(channel);
  if (!nic) return nic;
  answer(channel, ready);
  stack.serve(*nic, channel);
  return nic;
}

void run(Fd config, Fd& channel) {
  const Config settings = read_config(config);
  config.reset();
  const std::optional<Fd> nic = serve_until_the_end(settings, channel);
  channel.reset();  // tells the supervisor that the ports are free, before the interface is closed, which takes longer
}

}  // namespace

int netstack_main(Fd config, Fd channel) {
  try {
    ::signal(SIGPIPE, SIG_IGN);
    run(std::move(config), channel);
    return 0;
  } catch (const Error& error) {
    answer(channel, error.hint().empty() ? error.what() : fmt::format("{}\n{}", error.what(), error.hint()));
  } catch (const std::exception& error) {
    answer(channel, error.what());
  }
  return 1;
}

}  // namespace sandbox::netstack
