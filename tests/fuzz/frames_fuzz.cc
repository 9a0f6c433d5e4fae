// The network helper's inputs: its configuration, and frames through the gate into a real libslirp, as the
// container's root would send them. Input: frames one after the other, each behind two bytes of length; the helper's
// configuration when the input begins with '{'.
//
// libslirp opens sockets for what it is asked to reach, so the process first moves into a network without routes.
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>

#include <array>
#include <span>
#include <vector>

#include "netstack/frame_gate.h"
#include "netstack/netstack.h"
#include "netstack/slirp_library.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "target.h"

using namespace sandbox;
using namespace sandbox::netstack;

namespace {

constexpr std::uint32_t kGateway = 0x0a000202, kGuest = 0x0a000264;

/// libslirp with callbacks that lead nowhere but to the gate.
class Stack {
 public:
  Stack() {
    callbacks_.send_packet = [](const void* frame, std::size_t size, void* opaque) -> ssize_t {
      static_cast<Stack*>(opaque)->gate_.deliver({static_cast<const std::uint8_t*>(frame), size}, 0);
      return static_cast<ssize_t>(size);
    };
    callbacks_.guest_error = [](const char*, void*) {};
    callbacks_.clock_get_ns = [](void*) -> std::int64_t { return 0; };
    callbacks_.timer_new = [](SlirpTimerCb, void*, void*) -> void* { return new char; };
    callbacks_.timer_free = [](void* timer, void*) { delete static_cast<char*>(timer); };
    callbacks_.timer_mod = [](void*, std::int64_t, void*) {};
    callbacks_.register_poll_fd = [](int, void*) {};
    callbacks_.unregister_poll_fd = [](int, void*) {};
    callbacks_.notify = [](void*) {};
    SlirpConfig config{};
    config.version = 1;
    config.in_enabled = true;
    config.vnetwork.s_addr = htonl(kGateway & 0xffffff00);
    config.vnetmask.s_addr = htonl(0xffffff00);
    config.vhost.s_addr = htonl(kGateway);
    config.vnameserver.s_addr = htonl(kGateway + 1);
    config.vdhcp_start.s_addr = htonl(kGuest);
    config.if_mtu = config.if_mru = 65520;
    slirp_ = slirp_library().create(&config, &callbacks_, this);
  }
  ~Stack() { slirp_library().cleanup(slirp_); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void input(std::span<const std::uint8_t> frame) {
    if (!gate_.admits(frame, 0)) return;
    check(frame);
    slirp_library().input(slirp_, frame.data(), static_cast<int>(frame.size()));
  }
  void turn() {
    std::uint32_t timeout = 0;
    slirp_library().pollfds_fill(slirp_, &timeout, [](int, int, void*) { return 0; }, this);
    slirp_library().pollfds_poll(slirp_, 0, [](int, void*) { return 0; }, this);
  }

 private:
  /// Without a client that has asked, nothing may go to the host's own addresses that begins something there.
  static void check(std::span<const std::uint8_t> frame) {
    if (frame[12] != 0x08 || frame[13] != 0x00) return;
    const auto byte = [&](std::size_t at) { return std::uint32_t{frame[at]}; };
    const std::uint32_t to = byte(30) << 24 | byte(31) << 16 | byte(32) << 8 | byte(33);
    fuzz::require(to >> 24 != 127 && to >> 24 != 0 && to != 0xffffffff, "no frame to the host's loopback passes");
    fuzz::require(((byte(20) << 8 | byte(21)) & 0x3fff) == 0, "no fragment passes");
    if (to != kGateway) return;
    fuzz::require(byte(23) == IPPROTO_ICMP || byte(23) == IPPROTO_TCP, "no datagram to the gateway passes unasked");
    const std::size_t flags = 14 + (byte(14) & 0x0f) * 4 + 13;
    fuzz::require(byte(23) != IPPROTO_TCP || (byte(flags) & 0x37) != 0x02, "no connection to the gateway is begun");
  }

  FrameGate gate_{GateRules{.gateway = kGateway, .guest = kGuest, .loopback_allowed = false, .loopback_open = true, .udp_ports = {53}}};
  SlirpCb callbacks_{};
  Slirp* slirp_ = nullptr;
};

void feed(std::span<const std::uint8_t> input) {
  static Stack stack;
  while (input.size() >= 2) {
    const std::size_t size = std::min<std::size_t>(std::size_t{input[0]} << 8 | input[1], input.size() - 2);
    stack.input(input.subspan(2, size));
    input = input.subspan(2 + size);
  }
  stack.turn();
}

}  // namespace

// Before libFuzzer has threads, which would forbid it.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  sys::unshare(CLONE_NEWUSER | CLONE_NEWNET) | or_throw("leaving the network");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0 && data[0] == '{') {
    fuzz::attempt([&] {
      const Config config = config_from_json(parse_json(std::string(fuzz::as_text(data, size)), "fuzz"));
      fuzz::require(to_json(config_from_json(to_json(config))) == to_json(config), "a configuration is a fixed point");
    });
  } else {
    feed({data, size});
  }
  return 0;
}
