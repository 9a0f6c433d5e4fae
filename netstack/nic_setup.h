// Private to this room: what both kinds of network interface need. Runs in the container's bootstrap child.
#pragma once

#include <sys/ioctl.h>

#include <string>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

struct ifreq;

namespace sandbox::netstack {

template <class Argument>
Result<void> device_ioctl(int fd, unsigned long request, Argument* argument) noexcept {
  if (::ioctl(fd, request, argument) < 0) return std::unexpected(Errno{errno});
  return {};
}

/// A socket for netdevice(7) requests in the current network namespace.
Fd control_socket();
/// A request about interface `name`. Throws InvalidInput for a name that the kernel can't hold.
ifreq request_for(const std::string& name);
void bring_up(int socket, const std::string& name);

/// Makes a veth pair: `name` in the current network namespace, its peer in a new "router" namespace that nobody is
/// in, and returns a packet socket bound to the peer, which keeps that namespace and the pair alive. One frame per
/// read or write, as with a tap. Afterwards the caller is in its own namespace again. Throws SysError.
Fd create_veth(const std::string& name, int mtu);

}  // namespace sandbox::netstack
