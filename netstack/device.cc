#include "netstack/device.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>

#include <cstring>
#include <optional>
#include <vector>

#include "netstack/nic_setup.h"
#include "netstack/route_message.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

struct Attribute {
  std::uint16_t type;
  std::vector<std::byte> value;
};

struct Address {
  ifaddrmsg header;
  std::vector<Attribute> attributes;
};

std::vector<Attribute> attributes_of(const std::vector<std::byte>& body, std::size_t at) {
  std::vector<Attribute> list;
  while (at + sizeof(rtattr) <= body.size()) {
    rtattr header{};
    std::memcpy(&header, body.data() + at, sizeof header);
    if (header.rta_len < sizeof header || header.rta_len > body.size() - at) break;
    list.push_back({header.rta_type, {body.data() + at + RTA_LENGTH(0), body.data() + at + header.rta_len}});
    at += RTA_ALIGN(header.rta_len);
  }
  return list;
}

/// The flags have more than the eight bits of the header (IFA_FLAGS, Linux 3.14).
std::uint32_t flags_of(const Address& address) {
  for (const Attribute& attribute : address.attributes) {
    std::uint32_t flags = 0;
    if (attribute.type != IFA_FLAGS || attribute.value.size() != sizeof flags) continue;
    std::memcpy(&flags, attribute.value.data(), sizeof flags);
    return flags;
  }
  return address.header.ifa_flags;
}

/// Those that the specification wants kept (config-linux.md, "Network Devices").
std::vector<Address> lasting_addresses(int socket, int index, const std::string& name) {
  std::vector<Address> addresses;
  RouteMessage question(RTM_GETADDR, 0, ifaddrmsg{});
  for (const auto& item : question.dump(socket, fmt::format("reading the addresses of interface '{}'", name))) {
    Address address{};
    if (item.type != RTM_NEWADDR || item.body.size() < sizeof address.header) continue;
    std::memcpy(&address.header, item.body.data(), sizeof address.header);
    if (address.header.ifa_index != static_cast<unsigned>(index) || address.header.ifa_scope != RT_SCOPE_UNIVERSE)
      continue;
    address.attributes = attributes_of(item.body, NLMSG_ALIGN(sizeof address.header));
    if ((flags_of(address) & IFA_F_PERMANENT) != 0) addresses.push_back(std::move(address));
  }
  return addresses;
}

/// A socket of another network namespace.
Fd route_socket_in(int target, const std::string& step) {
  const Fd home = sys::openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY) | or_throw("opening the network namespace");
  sys::setns(target, CLONE_NEWNET) | or_throw("{}", step);
  Fd socket;
  std::string failure;
  try {
    socket = route_socket();
  } catch (const Error& error) {
    failure = error.what();
  }
  sys::setns(home.get(), CLONE_NEWNET) | or_throw("returning to the own network namespace");
  if (!socket) throw Error(failure);
  return socket;
}

/// Returns its new index, which is ours to choose (IFLA_NEW_IFINDEX, Linux 5.13): no name tells it, where the kernel
/// completes that.
int send_away(int socket, int index, const std::string& name, int target, const std::string& new_name) {
  constexpr int attempts = 32;
  constexpr int highest = 1 << 24;
  int new_index = index;
  for (int attempt = 0;; ++attempt) {
    ifinfomsg link{};
    link.ifi_index = index;
    RouteMessage message(RTM_NEWLINK, 0, link);
    message.add(IFLA_NET_NS_FD, static_cast<std::uint32_t>(target))
        .add(IFLA_IFNAME, new_name)
        .add(IFLA_NEW_IFINDEX, static_cast<std::uint32_t>(new_index));
    const auto moved = message.send(socket);
    if (moved) return new_index;
    if (moved.error().value != EBUSY || attempt == attempts) {
      throw SysError(moved.error(),
                     fmt::format("moving interface '{}' into the container's network as '{}'", name, new_name));
    }
    new_index = 1 + static_cast<int>(::arc4random_uniform(highest));
  }
}

void give_address(int socket, int index, const Address& address, const std::string& name) {
  ifaddrmsg header = address.header;
  header.ifa_index = static_cast<unsigned>(index);
  RouteMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, header);
  for (const Attribute& attribute : address.attributes) {
    const bool kept = attribute.type == IFA_ADDRESS || attribute.type == IFA_LOCAL || attribute.type == IFA_BROADCAST ||
                      attribute.type == IFA_FLAGS || attribute.type == IFA_RT_PRIORITY;
    if (kept) message.add(attribute.type, attribute.value.data(), attribute.value.size());
  }
  message.send(socket) | or_throw("giving interface '{}' its addresses in the container's network", name);
}

void bring_up(int socket, int index, const std::string& name) {
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_flags = link.ifi_change = IFF_UP;
  RouteMessage(RTM_NEWLINK, 0, link).send(socket) |
      or_throw("bringing up interface '{}' in the container's network", name);
}

}  // namespace

void move_device(const std::string& name, int target, const std::string& new_name) {
  const Fd here = route_socket();
  ifreq request = request_for(name);
  device_ioctl(control_socket().get(), SIOCGIFINDEX, &request) | or_throw("network device '{}'", name);
  const int index = request.ifr_ifindex;
  const std::vector<Address> addresses = lasting_addresses(here.get(), index, name);
  const Fd there = route_socket_in(target, fmt::format("moving interface '{}' into the container's network", name));
  const int new_index = send_away(here.get(), index, name, target, new_name);
  for (const Address& address : addresses) give_address(there.get(), new_index, address, name);
  bring_up(there.get(), new_index, name);
}

}  // namespace sandbox::netstack
