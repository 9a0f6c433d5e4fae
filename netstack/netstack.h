// "Whom does it reach": one libslirp per private network, in a process of its own that holds only
// the tap descriptor, its listening sockets and nothing of the user's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/base/json.h"

namespace sandbox::netstack {

struct PortForward {
  std::string host_ip = "0.0.0.0";
  std::uint16_t host_port = 0, guest_port = 0;
  bool udp = false;
};

struct Config {
  std::string guest_address = "10.0.2.100", gateway = "10.0.2.2", dns = "10.0.2.3";
  int prefix = 24;
  int mtu = 65520;
  std::vector<PortForward> forwards;
  bool allow_host_loopback = false;
};

Json to_json(const Config& config);
Config config_from_json(const Json& document);

/// Opens /dev/net/tun in the caller's network namespace, makes interface `name` with the address,
/// MTU and default route, brings it and `lo` up, and returns the tap. Runs in the container's
/// bootstrap child. Throws SysError (hint when /dev/net/tun is missing or not permitted).
Fd create_tap(const std::string& name, const std::string& address, int prefix, const std::string& gateway, int mtu);
void bring_up_loopback();

/// Spawns `sandbox helper netstack`; returns when it serves. The process ends when the returned
/// lifetime descriptor closes. Throws Error with its reason (port in use, libslirp missing …).
Fd spawn_netstack(const Config& config, Fd tap);

/// Body of `sandbox helper netstack CONFIG_FD TAP_FD READY_FD LIFETIME_FD`.
int netstack_main(Fd config, Fd tap, Fd ready, Fd lifetime);

}  // namespace sandbox::netstack
