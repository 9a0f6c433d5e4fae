// The helper of a user-defined network. Runs in a process of its own, started by membership.cc. One thread; it confines
// itself before it reads the first frame, and from then on accepts members, moves frames, and answers questions for the
// members' names. It ends with its last member.
#include <errno.h>
#include <netinet/ether.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "netstack/answer.h"
#include "netstack/confine.h"
#include "netstack/dns.h"
#include "netstack/frame_gate.h"
#include "netstack/members.h"
#include "netstack/network.h"
#include "netstack/stack.h"
#include "netstack/switch.h"
#include "sandbox/base/error.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr int kFramesPerTurn = 64;  // Bounds how long one member can keep the others waiting.
constexpr std::size_t kMostMembers = 1024;
constexpr std::size_t kMostResets = 64;
constexpr std::uint16_t kDomain = 53;
// Descriptors that no connection of a member gets: for others to join by, their channels, interfaces and descriptions.
constexpr unsigned kReserved = 4 * kMostMembers;

Ipv4Range range_in(const std::string& text) {
  const auto range = parse_ipv4_range(text);
  if (!range) throw InvalidInput(fmt::format("'{}' is not a range of IPv4 addresses", text));
  return *range;
}

std::string hardware_text(const HardwareAddress& address) { return fmt::format("{:02x}", fmt::join(address, ":")); }

/// "02:42:ac:12:00:02"
HardwareAddress parse_hardware(const std::string& text) {
  ether_addr parsed{};
  if (::ether_aton_r(text.c_str(), &parsed) == nullptr) {
    throw InvalidInput(fmt::format("'{}' is not a hardware address", text));
  }
  return std::to_array(parsed.ether_addr_octet);
}

std::set<std::uint32_t> kept_addresses(const Network& network) {
  std::set<std::uint32_t> kept{address_in(network.gateway), address_in(network.dns)};
  for (const std::string& address : network.reserved) kept.insert(address_in(address));
  return kept;
}

HardwareAddress hardware_for(std::uint32_t address) {
  HardwareAddress hardware{0x02, 0x42};  // as Docker does it
  write32(hardware, 2, address);
  return hardware;
}

struct Member {
  explicit Member(Fd connection) : channel(std::move(connection)) {}

  Fd channel, nic;
  bool joined = false, gone = false;
  Port port;
  Joining joining;
  std::vector<std::uint16_t> ports;  ///< The host's, of its forwards.
  std::vector<std::uint32_t> name_servers;
  std::unique_ptr<FrameGate> gate;
};

class NetworkServer {
 public:
  explicit NetworkServer(const Network& network);
  /// Returns when the last member has gone.
  void serve(Fd listener, Fd first);

 private:
  bool accept();
  void hear(Member& member);
  void join(Member& member, const Joining& joining);
  Port take_port(const Joining& joining);
  void begin_to_serve(Member& member, Fd nic);
  void part(Member& member) noexcept;
  void read_frames(Member& member) noexcept;
  void take_frame(Member& member, FrameBuffer frame) noexcept;
  bool answers_question(Member& member, Frame frame) noexcept;
  void deliver_inwards(Frame frame) noexcept;
  void send(Member& member, Frame frame) noexcept;
  Member* member_at(std::uint32_t address) noexcept;
  void send_resets();
  std::vector<pollfd> polls(int& timeout);

  const Network network_;
  const std::uint32_t gateway_, dns_;
  const std::size_t largest_;
  AddressPool pool_;
  Names names_;
  Switch switch_;
  Stack stack_;
  Fd listener_;
  std::list<Member> members_;
  std::unordered_map<std::uint32_t, Member*> at_;  ///< Those that have joined.
  bool has_news_ = false;                          ///< For libslirp, which may send what had waited for that.
  std::vector<ResetFrame> resets_;                 ///< For libslirp, which is not to be called from its own callbacks.
  std::array<std::uint8_t, kLargestFrame> frame_{};
};

NetworkServer::NetworkServer(const Network& network)
    : network_(network),
      gateway_(address_in(network.gateway)),
      dns_(address_in(network.dns)),
      largest_(static_cast<std::size_t>(network.mtu) + kEthernet),
      pool_(range_in(network.subnet), range_in(network.range), kept_addresses(network)),
      names_(network.name),
      switch_({range_in(network.subnet), gateway_, dns_}),
      stack_({.network = range_in(network.subnet),
              .gateway = gateway_,
              .dns = dns_,
              .guest = range_in(network.subnet).last() - 1,
              .mtu = network.mtu,
              .loopback_open = true},  // the members' gates close it
             [this](Frame frame) { deliver_inwards(frame); }) {
  resets_.reserve(kMostResets);
}

Member* NetworkServer::member_at(std::uint32_t address) noexcept {
  const auto found = at_.find(address);
  return found == at_.end() ? nullptr : found->second;
}

/// What the interface refuses (full, down) is lost, as on a wire. The address that the member has now is the right one.
void NetworkServer::send(Member& member, Frame frame) noexcept {
  if (!member.nic || frame.size() < kEthernet) return;
  iovec parts[] = {{member.port.hardware.data(), member.port.hardware.size()},
                   {const_cast<std::uint8_t*>(frame.data()) + 6, frame.size() - 6}};  // writev(2) only reads
  if (frame[0] & 1) parts[0].iov_base = const_cast<std::uint8_t*>(frame.data());
  (void)::writev(member.nic.get(), parts, 2);
}

void NetworkServer::deliver_inwards(Frame frame) noexcept {
  const auto port = switch_.route_inwards(frame);
  if (Member* member = port ? member_at(port->address) : nullptr) {
    return send(*member, member->gate->deliver(frame, now_ms()));
  }
  // A connection of one who has gone: who is at its other end learns so.
  if (frame.size() < kEthernet || read16(frame, 12) != kTypeIp || resets_.size() >= kMostResets) return;
  const auto packet = parse_ip(frame);
  constexpr unsigned kReset = 0x04;
  if (!packet || !packet->whole || !packet->has_tcp_header()) return;
  if ((frame[packet->transport + kTcpFlags] & kReset) == 0) resets_.push_back(reset_for(frame, *packet));
}

/// A question that is about the network's own names, to one of the servers that the member asks: answered here.
bool NetworkServer::answers_question(Member& member, Frame frame) noexcept {
  if (read16(frame, 12) != kTypeIp) return false;
  const auto packet = parse_ip(frame);
  if (!packet || !packet->whole || !packet->has_udp_header() || read16(frame, packet->transport + 2) != kDomain)
    return false;
  const bool is_asked = packet->destination == dns_ ||
                        std::ranges::find(member.name_servers, packet->destination) != member.name_servers.end();
  if (!is_asked) return false;
  const Frame message = frame.subspan(packet->transport + kUdpHeader, packet->end - packet->transport - kUdpHeader);
  try {
    const auto question = parse_question(message);
    if (!question) return false;
    auto known = names_.answer(*question, member.joining.links);
    const bool elsewhere = member.joining.asks_elsewhere;
    if (!known && !elsewhere && !network_.internal) return false;
    if (!known) {
      const DnsResult result = elsewhere ? DnsResult::refused : DnsResult::no_such_name;
      known = DnsAnswer{.result = result, .addresses = {}, .name = {}};
    }
    const auto reply = answer_message(message, *question, *known);
    std::array<std::uint8_t, kDatagramHeaders + 512> buffer{};
    if (kDatagramHeaders + reply.size() > buffer.size()) return true;
    std::ranges::copy(reply, buffer.begin() + kDatagramHeaders);
    send(member, datagram_back(buffer, frame, *packet, reply.size()));
    return true;
  } catch (const std::exception&) {
    return true;  // no memory: the question is lost
  }
}

void NetworkServer::take_frame(Member& member, FrameBuffer frame) noexcept {
  const Switch::Verdict verdict = switch_.route(frame, member.port);
  switch (verdict.way) {
    case Switch::Way::nowhere:
      return;
    case Switch::Way::member:
      if (Member* other = member_at(verdict.member)) send(*other, frame);
      return;
    case Switch::Way::everyone:
      for (Member& other : members_) {
        if (&other != &member) send(other, frame);
      }
      return;
    case Switch::Way::outwards:
      if (answers_question(member, frame)) return;
      if (network_.internal && read16(frame, 12) != kTypeArp) return;
      if (!member.gate->admits(frame, now_ms())) return send(member, member.gate->refusal(frame));
      has_news_ = has_news_ || read16(frame, 12) == kTypeArp;
      stack_.input(frame);
  }
}

void NetworkServer::read_frames(Member& member) noexcept {
  for (int i = 0; i < kFramesPerTurn; ++i) {
    const Result<std::size_t> size = sys::read(member.nic.get(), frame_.data(), frame_.size());
    if (!size && size.error().value == EAGAIN) return;
    if (!size || *size == 0) return member.nic.reset();  // the interface is gone
    if (*size <= largest_) take_frame(member, std::span(frame_.data(), *size));
  }
}

Port NetworkServer::take_port(const Joining& joining) {
  const auto wanted = joining.address.empty() ? std::optional<std::uint32_t>() : address_in(joining.address);
  std::optional<HardwareAddress> hardware;
  if (!joining.hardware_address.empty()) hardware = parse_hardware(joining.hardware_address);
  Port port;
  if (wanted && pool_.take(*wanted)) {
    port.address = *wanted;
  } else if (wanted && joining.address_is_needed) {
    throw Conflict(fmt::format("network {}: address {} is already in use, or not one for a container", network_.name,
                               joining.address));
  } else if (const auto free = pool_.take_any()) {
    port.address = *free;
  } else {
    throw Conflict(fmt::format("network {}: no address is free in {}", network_.name, network_.range));
  }
  port.hardware = hardware.value_or(hardware_for(port.address));
  return port;
}

void NetworkServer::join(Member& member, const Joining& joining) {
  member.joining = joining;
  member.joining.links.clear();  // questions are in lower case
  for (const auto& [name, of] : joining.links) member.joining.links[lower_case(name)] = of;
  for (const std::string& server : joining.name_servers) {
    if (const auto address = parse_ipv4(server)) member.name_servers.push_back(*address);
  }
  member.port = take_port(joining);
  at_[member.port.address] = &member;
  member.joined = true;  // from here on it parts
  const bool is_known = std::ranges::any_of(members_, [&](const Member& other) {
    return &other != &member && other.joined && other.port.hardware == member.port.hardware;
  });
  if (is_known)
    throw Conflict(fmt::format("network {}: hardware address {} is already in use", network_.name,
                               hardware_text(member.port.hardware)));
  member.gate = std::make_unique<FrameGate>(GateRules{.gateway = gateway_,
                                                      .guest = member.port.address,
                                                      .loopback_open = true,
                                                      .udp_ports = loopback_udp_ports(joining.forwards)});
  if (network_.internal && !joining.forwards.empty()) {
    throw UsageError(fmt::format("network {} is internal: ports can't be published from it", network_.name));
  }
  for (const PortForward& forward : joining.forwards)
    member.ports.push_back(stack_.publish(forward, member.port.address));
  names_.add(member.port.address, joining.names);
  switch_.connect(member.port);
  answer(member.channel, fmt::format("R {} {}", ipv4_text(member.port.address), hardware_text(member.port.hardware)));
}

void NetworkServer::begin_to_serve(Member& member, Fd nic) {
  sys::set_nonblocking(nic.get(), true) | or_throw("making the interface non-blocking");
  member.nic = std::move(nic);
  std::string ready = "R";
  for (const std::uint16_t port : member.ports) ready += fmt::format(" {}", port);
  answer(member.channel, ready);
}

/// Its last frames say that its connections have ended. Afterwards its address and ports are free, and it may know.
void NetworkServer::part(Member& member) noexcept {
  if (member.nic) read_frames(member);
  if (member.joined) {
    names_.remove(member.port.address);
    switch_.disconnect(member.port.address);
    stack_.withdraw(member.port.address);
    pool_.give_back(member.port.address);
    at_.erase(member.port.address);
  }
  member.joined = false;
  member.gone = true;
}

/// A word of the member's supervisor: with what it says of itself, then with its interface; or its end.
void NetworkServer::hear(Member& member) {
  try {
    const Headroom headroom;
    sys::Message message = sys::receive_message(member.channel.get(), 16) | or_throw("receiving a member's word");
    if (message.fds.empty()) return part(member);
    if (member.joined) return begin_to_serve(member, std::move(message.fds.front()));
    join(member, joining_from_json(parse_json(read_helper_document(message.fds.front()), "joining of a network")));
  } catch (const std::exception& error) {
    answer_error(member.channel, error);
    part(member);
  }
}

/// False: nobody waits.
bool NetworkServer::accept() {
  const Headroom headroom;
  Fd channel(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!channel) return false;
  if (members_.size() < kMostMembers) {
    members_.emplace_back(std::move(channel));
  } else {
    answer(channel,
           fmt::format("network {} has {} members: that is as many as there may be", network_.name, kMostMembers));
  }
  return true;
}

void NetworkServer::send_resets() {
  for (ResetFrame& reset : std::exchange(resets_, {})) stack_.input(reset);
  resets_.reserve(kMostResets);
}

/// The listener, two of each member, and the stack's.
std::vector<pollfd> NetworkServer::polls(int& timeout) {
  std::vector<pollfd> list{{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
  for (const Member& member : members_) {
    list.push_back({.fd = member.channel.get(), .events = POLLIN | POLLRDHUP, .revents = 0});
    list.push_back({.fd = member.nic.get(), .events = POLLIN, .revents = 0});  // none: an entry that is passed over
  }
  timeout = stack_.add_polls(list);
  return list;
}

void NetworkServer::serve(Fd listener, Fd first) {
  listener_ = std::move(listener);
  sys::set_nonblocking(listener_.get(), true) | or_throw("making the network's socket non-blocking");
  members_.emplace_back(std::move(first));
  for (;;) {
    int timeout = -1;
    std::vector<pollfd> list = polls(timeout);
    // It keeps a packet to an address that it does not know until its next turn; it knows sixteen.
    if (std::exchange(has_news_, false)) timeout = 0;
    int count = ::poll(list.data(), list.size(), timeout);
    if (count < 0 && errno == EINVAL) {  // poll(2): more than the soft limit of open files
      const Headroom headroom;
      count = ::poll(list.data(), list.size(), timeout);
    }
    if (count < 0 && errno != EINTR) throw SysError(Errno{errno}, "waiting for network traffic");
    stack_.serve(list, count < 0);
    send_resets();
    if (count <= 0) continue;
    std::size_t next = 1;
    for (Member& member : members_) {
      const short word = list[next].revents, frames = list[next + 1].revents;
      next += 2;
      if (member.nic && frames != 0) read_frames(member);
      if (word != 0) hear(member);
    }
    send_resets();
    if (list[0].revents != 0) (void)accept();
    // The last one that goes learns that nobody listens any more: the next to come starts another helper.
    if (std::ranges::all_of(members_, &Member::gone) && !accept()) {
      listener_.reset();
      for (const Member& member : members_) answer(member.channel, kEnd);
      return;
    }
    std::erase_if(members_, [](const Member& member) { return member.gone; });
  }
}

void run(Fd config, Fd listener, Fd& channel) {
  const Network network = network_from_json(parse_json(read_helper_document(config), "network"));
  config.reset();
  NetworkServer server(network);
  confine(kReserved);
  server.serve(std::move(listener), std::move(channel));
}

}  // namespace

int network_main(Fd config, Fd listener, Fd channel) {
  try {
    ::signal(SIGPIPE, SIG_IGN);
    run(std::move(config), std::move(listener), channel);
    return 0;
  } catch (const std::exception& error) {
    if (channel) answer_error(channel, error);
  }
  return 1;
}

}  // namespace sandbox::netstack
