// The gate in front of libslirp, frame by frame.
#include "netstack/frame_gate.h"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <memory>

#include "frames.h"

using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

constexpr std::uint32_t kGateway = 0x0a000202, kGuest = 0x0a000264, kHost = 0x7f000001, kElsewhere = 0xc0a80105;
constexpr std::int64_t kNow = 1'000'000;

struct Gate {
  FrameGate gate;
  explicit Gate(std::vector<std::uint16_t> udp_ports, bool loopback_allowed = false)
      : gate({.gateway = kGateway,
              .guest = kGuest,
              .loopback_allowed = loopback_allowed,
              .loopback_open = loopback_allowed || !udp_ports.empty(),
              .udp_ports = std::move(udp_ports)}) {}
  bool admits(const Bytes& frame, std::int64_t now = kNow) { return gate.admits(frame, now); }
  Bytes deliver(const Bytes& frame, std::int64_t now = kNow) {
    const auto out = gate.deliver(frame, now);
    return {out.begin(), out.end()};
  }
};

std::unique_ptr<Gate> publishing() { return std::make_unique<Gate>(std::vector<std::uint16_t>{53, 7000}); }

}  // namespace

TEST_CASE("frames to 127.0.0.0/8, 0.0.0.0/8 and to everyone never pass, with and without published ports") {
  for (const auto& gate : {publishing(), std::make_unique<Gate>(std::vector<std::uint16_t>{})}) {
    for (const std::uint32_t address : {0x7f000001U, 0x7fffffffU, 0x00000000U, 0x00000001U, 0xffffffffU}) {
      CAPTURE(address);
      CHECK_FALSE(gate->admits(udp_frame(kGuest, 7000, address, 53)));
      CHECK_FALSE(gate->admits(tcp_syn_frame(kGuest, 7000, address, 53)));
    }
    CHECK(gate->admits(udp_frame(kGuest, 7000, kElsewhere, 53)));
    CHECK(gate->admits(tcp_syn_frame(kGuest, 7000, kElsewhere, 53)));
  }
}

TEST_CASE("an answer passes to the client that asked a published port, and to no other port, protocol or time") {
  const auto gate = publishing();
  CHECK_FALSE(gate->admits(udp_frame(kGuest, 7000, kGateway, 40000)));
  gate->deliver(udp_frame(kGateway, 40000, kGuest, 7000));
  CHECK(gate->admits(udp_frame(kGuest, 7000, kGateway, 40000)));
  CHECK_FALSE(gate->admits(udp_frame(kGuest, 7000, kGateway, 40001)));
  CHECK_FALSE(gate->admits(udp_frame(kGuest, 53, kGateway, 40000)));
  CHECK_FALSE(gate->admits(udp_frame(kGuest + 1, 7000, kGateway, 40000)));
  CHECK_FALSE(gate->admits(tcp_syn_frame(kGuest, 7000, kGateway, 40000)));
  CHECK(gate->admits(udp_frame(kGuest, 7000, kGateway, 40000), kNow + FrameGate::kClientLifetimeMs - 1));
  CHECK_FALSE(gate->admits(udp_frame(kGuest, 7000, kGateway, 40000), kNow + FrameGate::kClientLifetimeMs));
}

TEST_CASE("a datagram to a port that is not published, or from elsewhere than the gateway, opens nothing") {
  const auto gate = publishing();
  gate->deliver(udp_frame(kGateway, 40000, kGuest, 7001));
  CHECK_FALSE(gate->admits(udp_frame(kGuest, 7001, kGateway, 40000)));
  gate->deliver(udp_frame(kElsewhere, 40000, kGuest, 7000));
  CHECK_FALSE(gate->admits(udp_frame(kGuest, 7000, kGateway, 40000)));
}

TEST_CASE("the table of clients is bounded: the one that has been silent for longest goes first") {
  const auto gate = publishing();
  for (std::size_t i = 0; i <= FrameGate::kMostClients; ++i) {
    gate->deliver(udp_frame(kGateway, static_cast<std::uint16_t>(10000 + i), kGuest, 7000),
                  kNow + static_cast<std::int64_t>(i));
  }
  CHECK_FALSE(gate->admits(udp_frame(kGuest, 7000, kGateway, 10000)));
  CHECK(gate->admits(udp_frame(kGuest, 7000, kGateway, 10001)));
  CHECK(gate->admits(udp_frame(kGuest, 7000, kGateway, 10000 + FrameGate::kMostClients)));
}

TEST_CASE("fragments and datagrams without a whole header don't pass") {
  const auto gate = publishing();
  gate->deliver(udp_frame(kGateway, 40000, kGuest, 7000));
  for (const std::uint32_t to : {kGateway, kElsewhere}) {
    Bytes frame = udp_frame(kGuest, 7000, to, 40000);
    CHECK(gate->admits(frame));
    set_fragment(frame, 1);
    CHECK_FALSE(gate->admits(frame));
    set_fragment(frame, 0, true);
    CHECK_FALSE(gate->admits(frame));
  }
  Bytes cut = udp_frame(kGuest, 7000, kGateway, 40000);
  set_ip_length(cut, 20 + 7);
  CHECK_FALSE(gate->admits(cut));
}

TEST_CASE("no connection to the gateway can be begun, and those that a client on the host began go on") {
  const auto gate = publishing();
  constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kPush = 0x08, kAck = 0x10, kEcho = 0x40;
  for (const std::uint8_t flags : {kSyn, std::uint8_t(kSyn | kPush), std::uint8_t(kSyn | kEcho)}) {
    CHECK_FALSE(gate->admits(tcp_frame(kGuest, 80, kGateway, 40000, flags)));
  }
  for (const std::uint8_t flags : {kAck, std::uint8_t(kSyn | kAck), std::uint8_t(kFin | kAck)}) {
    CHECK(gate->admits(tcp_frame(kGuest, 80, kGateway, 40000, flags)));
    CHECK(gate->admits(with_ip_options(tcp_frame(kGuest, 80, kGateway, 40000, flags))));
  }
  Bytes cut = tcp_frame(kGuest, 80, kGateway, 40000, kAck);
  set_ip_length(cut, 20 + 19);
  CHECK_FALSE(gate->admits(cut));
}

TEST_CASE("a connection that may not begin at the gateway is reset, and nothing else is answered") {
  const auto gate = publishing();
  Bytes begin = tcp_syn_frame(kGuest, 40000, kGateway, 22);
  begin[6] = 0x5a;  // an address of the container's
  std::ranges::copy(std::array<std::uint8_t, 4>{0xff, 0, 0, 0xff}, begin.begin() + 14 + 20 + 4);  // its sequence number
  const auto answer = gate->gate.refusal(begin);
  constexpr std::uint8_t kReset = 0x04, kAck = 0x10;
  Bytes expected = tcp_frame(kGateway, 22, kGuest, 40000, kReset | kAck);
  REQUIRE(answer.size() == expected.size());
  CHECK(answer[0] == 0x5a);
  const auto sums_up = [](std::span<const std::uint8_t> bytes, std::uint32_t sum) {
    for (std::size_t at = 0; at < bytes.size(); at += 2)
      sum += static_cast<std::uint32_t>(bytes[at] << 8 | bytes[at + 1]);
    return (sum & 0xffff) + (sum >> 16);
  };
  CHECK(sums_up(answer.subspan(14, 20), 0) == 0xffff);
  CHECK(sums_up(answer.subspan(14 + 12), 20 + IPPROTO_TCP) == 0xffff);  // addresses, segment; its length, its kind
  CHECK(std::ranges::equal(answer.subspan(14 + 12, 12), std::span(expected).subspan(14 + 12, 12)));  // addresses, ports
  const auto tcp = answer.subspan(14 + 20);
  CHECK(tcp[13] == (kReset | kAck));
  CHECK(std::ranges::equal(tcp.subspan(4, 4), std::array<std::uint8_t, 4>{}));
  CHECK(std::ranges::equal(tcp.subspan(8, 4), std::array<std::uint8_t, 4>{0xff, 0, 1, 0}));

  CHECK(gate->gate.refusal(tcp_frame(kGuest, 40000, kGateway, 22, kReset)).empty());
  CHECK(gate->gate.refusal(tcp_syn_frame(kGuest, 40000, kHost, 22)).empty());
  CHECK(gate->gate.refusal(udp_frame(kGuest, 40000, kGateway, 22)).empty());
  for (std::size_t size = 0; size < begin.size(); ++size) {
    CHECK(gate->gate.refusal(std::span(begin).first(size)).empty());
  }
  set_fragment(begin, 1);
  CHECK(gate->gate.refusal(begin).empty());
}

TEST_CASE("headers that lie about their lengths stop a frame") {
  const auto gate = publishing();
  const Bytes whole = udp_frame(kGuest, 7000, kElsewhere, 53);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(gate->admits({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
  }
  Bytes frame = whole;
  set_ip_length(frame, 19);
  CHECK_FALSE(gate->admits(frame));
  frame = whole;
  frame[14] = 0x44;  // a header of sixteen bytes
  CHECK_FALSE(gate->admits(frame));
  frame[14] = 0x65;  // version 6
  CHECK_FALSE(gate->admits(frame));
}

TEST_CASE("options before the transport header don't hide its ports") {
  const auto gate = publishing();
  gate->deliver(udp_frame(kGateway, 40000, kGuest, 7000));
  CHECK(gate->admits(with_ip_options(udp_frame(kGuest, 7000, kGateway, 40000))));
  CHECK_FALSE(gate->admits(with_ip_options(udp_frame(kGuest, 7000, kGateway, 22))));
}

TEST_CASE("only ARP and IPv4 are let in") {
  const auto gate = publishing();
  Bytes frame = udp_frame(kGuest, 7000, kElsewhere, 53);
  for (const int type : {0x86dd, 0x8100, 0x88f8, 0x0000, 0x05dc}) {
    set_ether_type(frame, static_cast<std::uint16_t>(type));
    CAPTURE(type);
    CHECK_FALSE(gate->admits(frame));
  }
  set_ether_type(frame, 0x0806);
  CHECK(gate->admits(frame));
}

TEST_CASE("the host's loopback becomes the gateway on the way in, with checksums that hold") {
  const auto gate = publishing();
  const Bytes out = gate->deliver(udp_frame(kHost, 40000, kGuest, 7000));
  CHECK(out == udp_frame(kGateway, 40000, kGuest, 7000));
  CHECK(gate->admits(udp_frame(kGuest, 7000, kGateway, 40000)));
  const Bytes foreign = udp_frame(kElsewhere, 40000, kGuest, 7000);
  CHECK(gate->deliver(foreign) == foreign);
}

TEST_CASE("with host loopback allowed nothing about the host is stopped") {
  Gate gate({7000}, true);
  CHECK(gate.admits(udp_frame(kGuest, 7000, kGateway, 22)));
  CHECK(gate.admits(tcp_syn_frame(kGuest, 7000, kGateway, 22)));
}
