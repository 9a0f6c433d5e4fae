// The network helper: one libslirp between the container's tap and ordinary sockets. Runs in a
// process of its own, started by spawn.cc. One thread; after confine() it only moves frames. It
// ends when the lifetime descriptor hangs up or the tap fails.
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <limits>
#include <list>

#include "netstack/confine.h"
#include "netstack/frame.h"
#include "netstack/netstack.h"
#include "netstack/slirp_library.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
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

std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

struct Timer {
  SlirpTimerCb callback;
  void* argument;
  std::int64_t due_ms;
};

/// State behind libslirp's opaque pointer. Nothing may be thrown through libslirp, hence noexcept.
class Stack {
 public:
  Stack(const Config& config, Fd tap, Fd lifetime);
  ~Stack() { library_.cleanup(slirp_); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void forward(const PortForward& forward);
  void serve();

 private:
  static Stack& of(void* opaque) noexcept { return *static_cast<Stack*>(opaque); }
  static SlirpCb callbacks() noexcept;
  static int add_poll(int fd, int events, void* opaque) noexcept;
  static int returned_events(int index, void* opaque) noexcept;

  int prepare_poll();
  bool read_tap();
  void run_timers();

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  const SlirpLibrary& library_ = slirp_library();
  const SlirpCb callbacks_ = callbacks();
  Fd tap_, lifetime_;
  in_addr guest_;
  bool allow_host_loopback_;
  std::list<Timer> timers_;
  std::vector<pollfd> polled_;
  std::array<std::uint8_t, 65536> frame_{};
  Slirp* slirp_ = nullptr;
};

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
  settings.disable_host_loopback = !config.allow_host_loopback;
  return settings;
}

Stack::Stack(const Config& config, Fd tap, Fd lifetime)
    : tap_(std::move(tap)),
      lifetime_(std::move(lifetime)),
      guest_(parse_address(config.guest_address)),
      allow_host_loopback_(config.allow_host_loopback) {
  sys::set_nonblocking(tap_.get(), true) | or_throw("making the tap non-blocking");
  const SlirpConfig settings = slirp_config(config);
  slirp_ = library_.create(&settings, &callbacks_, this);
  if (slirp_ == nullptr) throw Error("libslirp refused the network configuration");
}

SlirpCb Stack::callbacks() noexcept {
  SlirpCb table{};
  table.send_packet = [](const void* data, std::size_t size, void* opaque) noexcept -> ssize_t {
    // A frame that the tap refuses (full, interface down) is lost, as on a wire.
    static_cast<void>(sys::write(of(opaque).tap_.get(), data, size));
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
  table.timer_mod = [](void* timer, std::int64_t due_ms, void*) noexcept { static_cast<Timer*>(timer)->due_ms = due_ms; };
  table.register_poll_fd = [](int, void*) noexcept {};
  table.unregister_poll_fd = [](int, void*) noexcept {};
  table.notify = [](void*) noexcept {};
  return table;
}

void Stack::forward(const PortForward& forward) {
  const in_addr host = parse_address(forward.host_ip);
  errno = 0;
  if (library_.add_hostfwd(slirp_, forward.udp ? 1 : 0, host, forward.host_port, guest_, forward.guest_port) == 0) return;
  const Errno reason{errno != 0 ? errno : EIO};
  std::string hint;
  if (reason.value == EACCES && forward.host_port < 1024) {
    hint = fmt::format("let users bind low ports: sysctl net.ipv4.ip_unprivileged_port_start={}", forward.host_port);
  }
  std::string text = reason.message();
  if (reason.value == EADDRINUSE) text = "address already in use";
  throw Error(fmt::format("port {}:{}/{}: {}", forward.host_ip, forward.host_port, forward.udp ? "udp" : "tcp", text),
              hint);
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

/// Fills `polled_` (first the lifetime, then the tap, then libslirp's sockets); returns poll's timeout.
int Stack::prepare_poll() {
  polled_.clear();
  polled_.push_back({.fd = lifetime_.get(), .events = 0, .revents = 0});
  polled_.push_back({.fd = tap_.get(), .events = POLLIN, .revents = 0});
  std::uint32_t wanted = std::numeric_limits<std::uint32_t>::max();
  library_.pollfds_fill(slirp_, &wanted, &Stack::add_poll, this);
  std::int64_t timeout = wanted;
  const std::int64_t now_ms = now_ns() / kNanosecondsPerMillisecond;
  for (const Timer& timer : timers_) {
    if (timer.due_ms != kNever) timeout = std::min(timeout, std::max<std::int64_t>(timer.due_ms - now_ms, 0));
  }
  return timeout > std::numeric_limits<int>::max() ? -1 : static_cast<int>(timeout);
}

void Stack::run_timers() {
  const std::int64_t now_ms = now_ns() / kNanosecondsPerMillisecond;
  for (Timer& timer : timers_) {
    if (timer.due_ms > now_ms) continue;
    timer.due_ms = kNever;
    timer.callback(timer.argument);
  }
}

/// False when the tap is gone.
bool Stack::read_tap() {
  for (int i = 0; i < kFramesPerTurn; ++i) {
    const Result<std::size_t> size = sys::read(tap_.get(), frame_.data(), frame_.size());
    if (!size) return size.error().value == EAGAIN;
    if (*size == 0) return false;
    if (!allow_host_loopback_ && is_for_loopback({frame_.data(), *size})) continue;
    library_.input(slirp_, frame_.data(), static_cast<int>(*size));
  }
  return true;
}

void Stack::serve() {
  for (;;) {
    const int timeout = prepare_poll();
    const int count = ::poll(polled_.data(), polled_.size(), timeout);
    if (count < 0 && errno != EINTR) throw SysError(Errno{errno}, "waiting for network traffic");
    const short lifetime = count < 0 ? short{0} : polled_[0].revents;
    const short tap = count < 0 ? short{0} : polled_[1].revents;
    if (lifetime != 0 || (tap & (POLLERR | POLLHUP | POLLNVAL)) != 0) return;
    library_.pollfds_poll(slirp_, count < 0 ? 1 : 0, &Stack::returned_events, this);
    if ((tap & POLLIN) != 0 && !read_tap()) return;
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

/// Tells the parent why the helper can't serve. A parent that has gone needs no answer.
void answer(Fd& ready, const std::string& message, const std::string& hint) {
  const std::string text = hint.empty() ? message : message + "\n" + hint;
  if (ready) static_cast<void>(sys::write_all(ready.get(), text.data(), text.size()));
  ready.reset();
}

}  // namespace

int netstack_main(Fd config, Fd tap, Fd ready, Fd lifetime) {
  try {
    ::signal(SIGPIPE, SIG_IGN);
    const Config settings = read_config(config);
    config.reset();
    Stack stack(settings, std::move(tap), std::move(lifetime));
    for (const PortForward& forward : settings.forwards) stack.forward(forward);
    confine();
    answer(ready, "R", {});
    stack.serve();
    return 0;
  } catch (const Error& error) {
    answer(ready, error.what(), error.hint());
  } catch (const std::exception& error) {
    answer(ready, error.what(), {});
  }
  return 1;
}

}  // namespace sandbox::netstack
