// Who on a network gets which frame, and what is dropped on its way.
#include "netstack/switch.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "frames.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

using Way = Switch::Way;

constexpr std::uint32_t kGateway = 0xac120001, kDns = 0xac12fffe, kFirst = 0xac120002, kSecond = 0xac120003;
constexpr std::uint32_t kThird = 0xac120004, kNobody = 0xac120009, kElsewhere = 0x08080808;
constexpr HardwareAddress kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

HardwareAddress hardware_of(std::uint32_t address) {
  HardwareAddress hardware{0x02, 0x42};
  write32(hardware, 2, address);
  return hardware;
}

Port port_of(std::uint32_t address) { return {address, hardware_of(address)}; }

Bytes between(Bytes frame, const HardwareAddress& from, const HardwareAddress& to) {
  std::ranges::copy(to, frame.begin());
  std::ranges::copy(from, frame.begin() + 6);
  return frame;
}

Bytes datagram(std::uint32_t from, std::uint32_t to, std::uint16_t port = 80, std::uint16_t from_port = 4000) {
  return between(udp_frame(from, from_port, to, port), hardware_of(from), hardware_of(to));
}

struct Arp {
  bool request = true;
  std::uint32_t sender = kFirst, target = kSecond;
  HardwareAddress sender_hardware = hardware_of(kFirst), from = hardware_of(kFirst), to = kBroadcast;

  Bytes frame() const {
    Bytes bytes(42);
    std::ranges::copy(to, bytes.begin());
    std::ranges::copy(from, bytes.begin() + 6);
    write16(bytes, 12, kTypeArp);
    const std::span arp = std::span(bytes).subspan(14);
    write16(arp, 0, 1);
    write16(arp, 2, kTypeIp);
    arp[4] = 6;
    arp[5] = 4;
    write16(arp, 6, request ? 1 : 2);
    std::ranges::copy(sender_hardware, arp.begin() + 8);
    write32(arp, 14, sender);
    write32(arp, 24, target);
    return bytes;
  }
};

struct Three {
  Switch all{{.range = {0xac120000, 16}, .gateway = kGateway, .dns = kDns}};
  Three() {
    for (const std::uint32_t address : {kFirst, kSecond, kThird}) all.connect(port_of(address));
  }
  Switch::Verdict route(const Bytes& frame, std::uint32_t sender = kFirst) { return all.route(frame, port_of(sender)); }
  Way way(const Bytes& frame, std::uint32_t sender = kFirst) { return route(frame, sender).way; }
};

}  // namespace

TEST_CASE("a packet goes to the member that has its address, outside, or nowhere") {
  Three net;
  CHECK(net.route(datagram(kFirst, kSecond)) == Switch::Verdict{Way::member, kSecond});
  CHECK(net.route(datagram(kThird, kFirst), kThird) == Switch::Verdict{Way::member, kFirst});
  CHECK(net.way(datagram(kFirst, kElsewhere)) == Way::outwards);
  CHECK(net.way(datagram(kFirst, kGateway)) == Way::outwards);
  CHECK(net.way(datagram(kFirst, kDns, 53)) == Way::outwards);
  CHECK(net.way(datagram(kFirst, kNobody)) == Way::nowhere);  // it would be looked for on the host's network
  CHECK(net.way(datagram(kFirst, kFirst)) == Way::nowhere);
  net.all.disconnect(kSecond);
  CHECK(net.way(datagram(kFirst, kSecond)) == Way::nowhere);
}

TEST_CASE("a packet for another's address does not reach who has the hardware address that it was sent to") {
  Three net;
  CHECK(net.way(between(datagram(kFirst, kSecond), hardware_of(kFirst), hardware_of(kThird))) == Way::nowhere);
  CHECK(net.way(between(datagram(kFirst, kSecond), hardware_of(kFirst), kBroadcast)) == Way::nowhere);
}

TEST_CASE("nobody sends in the name of a neighbour or of the gateway") {
  Three net;
  for (const std::uint32_t claimed : {kSecond, kGateway, kDns, kElsewhere, 0U}) {
    INFO(claimed);
    CHECK(net.way(between(datagram(claimed, kThird), hardware_of(kFirst), hardware_of(kThird))) == Way::nowhere);
    CHECK(net.way(between(datagram(claimed, kElsewhere), hardware_of(kFirst), hardware_of(kGateway))) == Way::nowhere);
  }
  CHECK(net.way(between(datagram(kFirst, kThird), hardware_of(kSecond), hardware_of(kThird))) == Way::nowhere);
}

TEST_CASE("ARP: a question reaches the one that it is about alone, and nobody is spoken for") {
  Three net;
  CHECK(net.route(Arp{}.frame()) == Switch::Verdict{Way::member, kSecond});
  CHECK(net.route(Arp{.request = false, .to = hardware_of(kSecond)}.frame()) == Switch::Verdict{Way::member, kSecond});
  CHECK(net.way(Arp{.target = kGateway}.frame()) == Way::outwards);
  CHECK(net.way(Arp{.target = kNobody}.frame()) == Way::nowhere);
  CHECK(net.way(Arp{.target = kFirst}.frame()) == Way::nowhere);  // gratuitous
  // An answer that nobody in particular has asked for: the neighbours' tables would take it.
  CHECK(net.way(Arp{.request = false}.frame()) == Way::nowhere);
  for (const std::uint32_t claimed : {kThird, kGateway, kDns}) {
    CHECK(net.way(Arp{.sender = claimed}.frame()) == Way::nowhere);
    CHECK(net.way(Arp{.request = false, .sender = claimed, .to = hardware_of(kSecond)}.frame()) == Way::nowhere);
  }
  CHECK(net.way(Arp{.sender_hardware = hardware_of(kThird)}.frame()) == Way::nowhere);
  CHECK(net.way(Arp{.from = hardware_of(kThird)}.frame()) == Way::nowhere);
}

TEST_CASE("what is for all goes to all, but no DHCP, neither question nor answer") {
  Three net;
  const auto group = [](std::uint32_t to, HardwareAddress hardware, std::uint16_t port = 5353) {
    return between(udp_frame(kFirst, port, to, port), hardware_of(kFirst), hardware);
  };
  CHECK(net.way(group(0xffffffff, kBroadcast)) == Way::everyone);
  CHECK(net.way(group(0xac12ffff, kBroadcast)) == Way::everyone);
  CHECK(net.way(group(0xe00000fb, {0x01, 0, 0x5e, 0, 0, 0xfb})) == Way::everyone);
  CHECK(net.way(group(0xe00000fb, hardware_of(kGateway))) == Way::nowhere);  // not to the host's network
  CHECK(net.way(group(0xffffffff, kBroadcast, 67)) == Way::nowhere);
  CHECK(net.way(group(0xffffffff, kBroadcast, 68)) == Way::nowhere);
  CHECK(net.way(datagram(kFirst, kSecond, 68, 67)) == Way::nowhere);
  CHECK(net.way(datagram(kFirst, kGateway, 67, 68)) == Way::nowhere);
}

TEST_CASE("what is neither IPv4 nor its ARP goes nowhere, however short") {
  Three net;
  for (const int type : {0x86dd, 0x8100, 0x88f8, 0x0000}) {
    Bytes frame = datagram(kFirst, kSecond);
    set_ether_type(frame, static_cast<std::uint16_t>(type));
    CHECK(net.way(frame) == Way::nowhere);
  }
  for (const Bytes& whole : {datagram(kFirst, kSecond), Arp{}.frame()}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK(net.way(part) == Way::nowhere);
    }
  }
}

TEST_CASE("a frame from outside is the member's that has its address") {
  Three net;
  const auto to = [&](const Bytes& frame) { return net.all.route_inwards(frame).value_or(Port{}).address; };
  CHECK(to(datagram(kElsewhere, kSecond)) == kSecond);
  CHECK(to(Arp{.sender = kGateway, .target = kThird}.frame()) == kThird);
  CHECK(to(datagram(kElsewhere, kNobody)) == 0);
  CHECK(to({}) == 0);
}
