// What a container's root sends to a network of several: frames through the switch, and questions for names. Input: one
// frame, from the first of three members.
#include "netstack/switch.h"

#include <algorithm>
#include <array>
#include <span>

#include "netstack/dns.h"
#include "netstack/members.h"
#include "target.h"

using namespace sandbox;
using namespace sandbox::netstack;

namespace {

constexpr Ipv4Range kRange{0xac120000, 16};
constexpr std::uint32_t kGateway = 0xac120001, kDns = 0xac12fffe;

Port member(std::uint32_t number) {
  Port port{0xac120001 + number, {0x02, 0x42}};
  write32(port.hardware, 2, port.address);
  return port;
}

Switch three_members() {
  Switch all({.range = kRange, .gateway = kGateway, .dns = kDns});
  for (std::uint32_t i = 1; i <= 3; ++i) all.connect(member(i));
  return all;
}

Names some_names() {
  Names names("net");
  names.add(member(1).address, {"one", "both"});
  names.add(member(2).address, {"two", "both"});
  return names;
}

/// Whoever gets a frame gets one that is the sender's own, by every address in it.
void check_route(Frame frame) {
  static const Switch all = three_members();
  const Switch::Verdict verdict = all.route(frame, member(1));
  static_cast<void>(all.route_inwards(frame));
  if (verdict.way == Switch::Way::nowhere) return;
  fuzz::require(std::ranges::equal(frame.subspan(6, 6), member(1).hardware), "the hardware address is the sender's");
  if (read16(frame, 12) == kTypeArp) {
    const auto message = parse_arp(frame);
    fuzz::require(message && message->sender == member(1).address, "it says what is so");
    fuzz::require(verdict.way != Switch::Way::everyone, "ARP goes to one");
    return;
  }
  const auto packet = parse_ip(frame);
  fuzz::require(packet && packet->source == member(1).address, "the address is the sender's");
  const bool leaves = verdict.way == Switch::Way::outwards;
  const bool is_ours = packet->destination == kGateway || packet->destination == kDns;
  fuzz::require(!leaves || is_ours || !kRange.contains(packet->destination), "no neighbour is sought outside");
  if (verdict.way == Switch::Way::member) {
    fuzz::require(packet->destination == verdict.member && verdict.member != member(1).address, "it is the other's");
  }
}

void check_question(Frame message) {
  static const Names names = some_names();
  const auto question = parse_question(message);
  if (!question) return;
  fuzz::require(question->end <= message.size() && question->name.size() <= 512, "a question is within its message");
  const auto answer = names.answer(*question, {{"three", "both"}});
  const auto reply = answer_message(message, *question, answer.value_or(DnsAnswer{}));
  fuzz::require(reply.size() <= std::max<std::size_t>(512, question->end), "an answer is a datagram of the usual size");
  const Frame again(reply);
  fuzz::require(!parse_question(again), "an answer is no question");
  if (const auto packet = parse_ip(message)) {
    if (packet->has_tcp_header()) static_cast<void>(reset_for(message, *packet));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Frame input(data, size);
  check_route(input);
  check_question(input);
  if (size > kDatagramHeaders) check_question(input.subspan(kDatagramHeaders));
  return 0;
}
