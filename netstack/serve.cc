// The network helper of a private network: one libslirp between the container's interface and ordinary sockets. Runs in
// a process of its own, started by spawn.cc. One thread; after confine(), which comes before the interface arrives, it
// only moves frames. It ends when its channel to the supervisor hangs up or the interface fails.
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include <array>
#include <optional>
#include <span>

#include "netstack/answer.h"
#include "netstack/confine.h"
#include "netstack/frame_gate.h"
#include "netstack/netstack.h"
#include "netstack/stack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr int kFramesPerTurn = 64;  // Bounds how long the container can keep the sockets waiting.

/// Where it stays open for the answers of published UDP ports, the gate closes it (frame_gate.h).
bool leaves_loopback_open(const Config& config) {
  return config.allow_host_loopback || !loopback_udp_ports(config.forwards).empty();
}

GateRules gate_rules(const Config& config) {
  return {.gateway = address_in(config.gateway),
          .guest = address_in(config.guest_address),
          .loopback_allowed = config.allow_host_loopback,
          .loopback_open = leaves_loopback_open(config),
          .udp_ports = loopback_udp_ports(config.forwards)};
}

Stack::Settings stack_settings(const Config& config) {
  return {.network = ipv4_range_of(address_in(config.guest_address), config.prefix),
          .gateway = address_in(config.gateway),
          .dns = address_in(config.dns),
          .guest = address_in(config.guest_address),
          .mtu = config.mtu,
          .loopback_open = leaves_loopback_open(config)};
}

class PrivateNetwork {
 public:
  explicit PrivateNetwork(const Config& config)
      : largest_(static_cast<std::size_t>(config.mtu) + kEthernet),
        gate_(gate_rules(config)),
        stack_(stack_settings(config), [this](Frame frame) { send(gate_.deliver(frame, now_ms())); }) {}

  Stack& stack() { return stack_; }
  /// Returns when the other side of `lifetime` has stopped writing or `nic` has failed.
  void serve(const Fd& nic, const Fd& lifetime);

 private:
  /// To the container, unless empty. A frame that the interface refuses (full, down) is lost, as on a wire.
  void send(Frame frame) noexcept {
    if (!frame.empty()) static_cast<void>(sys::write(nic_, frame.data(), frame.size()));
  }
  bool read_frames();

  /// A packet socket hands out frames of any size that the container's side was set to; a tap keeps to its MTU.
  const std::size_t largest_;
  FrameGate gate_;
  Stack stack_;
  int nic_ = -1;
  std::array<std::uint8_t, kLargestFrame> frame_{};
};

/// False when the interface is gone.
bool PrivateNetwork::read_frames() {
  for (int i = 0; i < kFramesPerTurn; ++i) {
    const Result<std::size_t> size = sys::read(nic_, frame_.data(), frame_.size());
    if (!size) return size.error().value == EAGAIN;
    if (*size == 0) return false;
    if (*size > largest_) continue;
    const std::span frame(frame_.data(), *size);
    if (gate_.admits(frame, now_ms())) {
      stack_.input(frame);
    } else {
      send(gate_.refusal(frame));
    }
  }
  return true;
}

void PrivateNetwork::serve(const Fd& nic, const Fd& lifetime) {
  nic_ = nic.get();
  sys::set_nonblocking(nic_, true) | or_throw("making the interface non-blocking");
  std::vector<pollfd> polls;
  for (;;) {
    polls.assign(
        {{.fd = lifetime.get(), .events = POLLRDHUP, .revents = 0}, {.fd = nic_, .events = POLLIN, .revents = 0}});
    const int timeout = stack_.add_polls(polls);
    const int count = ::poll(polls.data(), polls.size(), timeout);
    if (count < 0 && errno != EINTR) throw SysError(Errno{errno}, "waiting for network traffic");
    const short hung_up = count < 0 ? short{0} : polls[0].revents;
    const short frames = count < 0 ? short{0} : polls[1].revents;
    if (hung_up != 0 || (frames & (POLLERR | POLLHUP | POLLNVAL)) != 0) return;
    stack_.serve(polls, count < 0);
    if ((frames & POLLIN) != 0 && !read_frames()) return;
  }
}

/// The interface, once the container has one; no value when the supervisor gave up before.
std::optional<Fd> receive_nic(const Fd& channel) {
  sys::Message message = sys::receive_message(channel.get(), 16) | or_throw("receiving the network interface");
  if (message.fds.empty()) return std::nullopt;
  return std::move(message.fds.front());
}

/// Returns the interface, which is still open, when there is nothing more to serve; its sockets are closed by then.
std::optional<Fd> serve_until_the_end(const Config& settings, const Fd& channel) {
  PrivateNetwork network(settings);
  std::string ready = "R";
  for (const PortForward& forward : settings.forwards) {
    ready += fmt::format(" {}", network.stack().publish(forward, address_in(settings.guest_address)));
  }
  confine();
  std::optional<Fd> nic = receive_nic(channel);
  if (!nic) return nic;
  answer(channel, ready);
  network.serve(*nic, channel);
  return nic;
}

void run(Fd config, Fd& channel) {
  const Config settings = config_from_json(parse_json(read_helper_document(config), "network configuration"));
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
  } catch (const std::exception& error) {
    answer_error(channel, error);
  }
  return 1;
}

}  // namespace sandbox::netstack
