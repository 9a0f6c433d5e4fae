// The container's network interface. Runs in the container's bootstrap child, in its new network
// namespace with CAP_NET_ADMIN there, while the host's /dev is still in sight. Plain ioctls
// (netdevice(7)): one interface with one address needs no netlink. Rungs: a tap, which has the better throughput,
// or, where /dev/net/tun is missing or closed to us, a veth pair (veth.cc).
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/ether.h>
#include <sys/socket.h>

#include <cstring>

#include "netstack/netstack.h"
#include "netstack/nic_setup.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {

Fd control_socket() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "making a socket to configure interfaces");
  return socket;
}

ifreq request_for(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    throw InvalidInput(fmt::format("interface name '{}' is not 1 to {} bytes long", name, IFNAMSIZ - 1));
  }
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

void bring_up(int socket, const std::string& name) {
  ifreq request = request_for(name);
  device_ioctl(socket, SIOCGIFFLAGS, &request) | or_throw("reading the flags of interface '{}'", name);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  device_ioctl(socket, SIOCSIFFLAGS, &request) | or_throw("bringing up interface '{}'", name);
}

namespace {

sockaddr as_sockaddr(in_addr_t address) {
  sockaddr_in internet{};
  internet.sin_family = AF_INET;
  internet.sin_addr.s_addr = address;
  sockaddr generic{};
  static_assert(sizeof generic == sizeof internet);
  std::memcpy(&generic, &internet, sizeof generic);
  return generic;
}

sockaddr parse_address(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) {
    throw InvalidInput(fmt::format("'{}' is not an IPv4 address", text));
  }
  return as_sockaddr(address.s_addr);
}

/// `text`: "02:42:ac:11:00:02"
void set_hardware_address(int socket, const std::string& name, const std::string& text) {
  ether_addr address{};
  if (::ether_aton_r(text.c_str(), &address) == nullptr)
    throw InvalidInput(fmt::format("'{}' is not a hardware address", text));
  ifreq request = request_for(name);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, &address, sizeof address);
  device_ioctl(socket, SIOCSIFHWADDR, &request) | or_throw("giving hardware address {} to interface '{}'", text, name);
}

void add_default_route(int socket, const std::string& gateway) {
  rtentry route{};
  route.rt_dst = as_sockaddr(INADDR_ANY);
  route.rt_genmask = as_sockaddr(INADDR_ANY);
  route.rt_gateway = parse_address(gateway);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  device_ioctl(socket, SIOCADDRT, &route) | or_throw("adding the default route through {}", gateway);
}

/// Errors that say "no tap here", so that another kind of interface is worth a try.
bool is_absence(int error) {
  return error == ENOENT || error == ENODEV || error == ENXIO || error == EACCES || error == EPERM;
}

struct TapAttempt {
  Fd tap;
  int error = 0;  ///< 0: made.
  std::string what;
};

TapAttempt open_tap(const std::string& name) {
  Result<Fd> tap = sys::openat(AT_FDCWD, "/dev/net/tun", O_RDWR);
  if (!tap) return {{}, tap.error().value, "opening '/dev/net/tun'"};
  ifreq request = request_for(name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (auto made = device_ioctl(tap->get(), TUNSETIFF, &request); !made) {
    return {{}, made.error().value, fmt::format("making tap interface '{}'", name)};
  }
  return {std::move(*tap), 0, {}};
}

Fd make_interface(const std::string& name, int mtu) {
  TapAttempt attempt = open_tap(name);
  if (attempt.error == 0) return std::move(attempt.tap);
  const SysError reason(Errno{attempt.error}, attempt.what, tun_hint(attempt.error));
  if (!is_absence(attempt.error)) throw reason;
  try {
    return create_veth(name, mtu);
  } catch (const SysError& second) {
    throw Unsupported(fmt::format("{}; {}", reason.what(), second.what()), reason.hint());
  }
}

}  // namespace

std::string tun_hint(int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return "the tun device is missing here: as root, modprobe tun";
    case EACCES:
    case EPERM:
      return "let users open the tun device: as root, chmod 0666 /dev/net/tun";
    default:
      return {};
  }
}

void probe_tap() {
  const TapAttempt attempt = open_tap("probe0");
  if (attempt.error != 0) throw SysError(Errno{attempt.error}, attempt.what);
}

void probe_veth() { static_cast<void>(create_veth("probe0", 1500)); }

Fd create_nic(const std::string& name, const std::string& address, int prefix, const std::string& gateway, int mtu,
              const std::string& hardware_address) {
  if (prefix < 1 || prefix > 32) throw InvalidInput(fmt::format("network prefix {} is not within 1 to 32", prefix));
  Fd nic = make_interface(name, mtu);
  const Fd socket = control_socket();
  if (!hardware_address.empty()) set_hardware_address(socket.get(), name, hardware_address);

  ifreq request = request_for(name);
  request.ifr_addr = parse_address(address);
  device_ioctl(socket.get(), SIOCSIFADDR, &request) | or_throw("giving address {} to interface '{}'", address, name);
  request.ifr_netmask = as_sockaddr(htonl(~std::uint32_t{0} << (32 - prefix)));
  device_ioctl(socket.get(), SIOCSIFNETMASK, &request) | or_throw("setting prefix {} of interface '{}'", prefix, name);
  request.ifr_mtu = mtu;
  device_ioctl(socket.get(), SIOCSIFMTU, &request) | or_throw("setting MTU {} of interface '{}'", mtu, name);

  bring_up(socket.get(), name);
  if (!gateway.empty()) add_default_route(socket.get(), gateway);
  return nic;
}

void bring_up_loopback() { bring_up(control_socket().get(), "lo"); }

}  // namespace sandbox::netstack
