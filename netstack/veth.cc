// The interface of last resort: a veth pair whose outer end is read and written by a packet socket (packet(7)).
// Runs in the container's bootstrap child, as root of its user namespace.
//
// The outer end lives in a namespace of its own, so that the container sees one interface and can't listen on, or
// take down, the other. That namespace has no addresses and no process: nothing in it answers a frame, and it goes,
// with the pair, when the network helper closes the socket.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <string>

#include "netstack/nic_setup.h"
#include "netstack/route_message.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr const char* kOuter = "outer0";
// Some large frames from each of many connections; the kernel cuts it to net.core.rmem_max.
constexpr int kReceiveBuffer = 4 << 20;

void make_pair(int socket, const std::string& inner, int inner_namespace, int mtu) {
  RouteMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  message.add(IFLA_IFNAME, kOuter).add(IFLA_MTU, static_cast<std::uint32_t>(mtu));
  const std::size_t info = message.open(IFLA_LINKINFO);
  message.add(IFLA_INFO_KIND, "veth");
  const std::size_t data = message.open(IFLA_INFO_DATA);
  const std::size_t peer = message.open(VETH_INFO_PEER);
  const ifinfomsg peer_link{};
  message.append(&peer_link, sizeof peer_link);  // VETH_INFO_PEER holds one before its attributes
  message.add(IFLA_IFNAME, inner)
      .add(IFLA_MTU, static_cast<std::uint32_t>(mtu))
      .add(IFLA_NET_NS_FD, static_cast<std::uint32_t>(inner_namespace));
  for (const std::size_t nested : {peer, data, info}) message.close(nested);
  message.send(socket) | or_throw("making a veth pair for interface '{}'", inner);
}

int index_of(int socket, const std::string& name) {
  ifreq request = request_for(name);
  device_ioctl(socket, SIOCGIFINDEX, &request) | or_throw("looking up interface '{}'", name);
  return request.ifr_ifindex;
}

/// No address of its own for the outer end: an answer from this side would come from nobody's stack.
void silence_ipv6(int socket, int index) {
  ifinfomsg link{};
  link.ifi_index = index;
  RouteMessage message(RTM_NEWLINK, 0, link);
  const std::size_t families = message.open(IFLA_AF_SPEC);
  const std::size_t family = message.open(AF_INET6);
  const std::uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
  message.add(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
  message.close(family);
  message.close(families);
  const auto done = message.send(socket);
  if (!done && done.error().value != EAFNOSUPPORT) {  // a kernel without IPv6
    throw SysError(done.error(), "keeping IPv6 off the outer interface");
  }
}

Fd packet_socket(int index) {
  Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "making a packet socket");
  // Linux 4.20: what we send is not read back.
  const int on = 1;
  if (::setsockopt(socket.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0) {
    throw SysError(Errno{errno}, "leaving own frames out of a packet socket");
  }
  const int size = kReceiveBuffer;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0) {
    throw SysError(Errno{errno}, "sizing the buffer of a packet socket");
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    throw SysError(Errno{errno}, "binding a packet socket");
  }
  return socket;
}

/// A veth end leaves checksums and segmentation to hardware that isn't there: what the packet socket reads would
/// have neither. Without checksum offload the kernel also gives up segmentation offload on the interface.
void complete_frames(int socket, const std::string& name) {
  for (const std::uint32_t command : {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO}) {
    ethtool_value value{.cmd = command, .data = 0};
    ifreq request = request_for(name);
    request.ifr_data = reinterpret_cast<char*>(&value);
    device_ioctl(socket, SIOCETHTOOL, &request) | or_throw("turning offloads of interface '{}' off", name);
  }
}

}  // namespace

Fd create_veth(const std::string& name, int mtu) {
  const Fd home = sys::openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY) | or_throw("opening the network namespace");
  sys::unshare(CLONE_NEWNET) | or_throw("making a namespace for the outer interface");
  const Fd route = route_socket();
  make_pair(route.get(), name, home.get(), mtu);
  const Fd control = control_socket();
  const int index = index_of(control.get(), kOuter);
  silence_ipv6(route.get(), index);
  bring_up(control.get(), kOuter);
  Fd frames = packet_socket(index);  // bound to an interface that is down it would begin with an error
  sys::setns(home.get(), CLONE_NEWNET) | or_throw("returning to the container's network namespace");
  complete_frames(control_socket().get(), name);
  return frames;
}

}  // namespace sandbox::netstack
