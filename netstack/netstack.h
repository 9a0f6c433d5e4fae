// "Whom does it reach": one libslirp per private network, in a process of its own that holds only
// the interface's descriptor, its listening sockets and nothing of the user's.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/base/json_fwd.h"

namespace sandbox::netstack {

struct PortForward {
  std::string host_ip = "0.0.0.0";
  std::uint16_t host_port = 0;  ///< 0: a free one, chosen when the helper binds it.
  std::uint16_t guest_port = 0;
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

/// Makes interface `name` in the caller's network namespace with the address, MTU and default route (none where
/// `gateway` is empty), brings it up, and returns a descriptor that carries one Ethernet frame per read and write: a tap
/// or, where /dev/net/tun is missing or not permitted, the outer end of a veth pair. Runs in the container's bootstrap
/// child, as root of its user namespace. Throws Unsupported with both reasons when neither works.
Fd create_nic(const std::string& name, const std::string& address, int prefix, const std::string& gateway, int mtu,
              const std::string& hardware_address = {});
void bring_up_loopback();

/// Each tries what create_nic() would do with it, and throws SysError. They leave the caller's network namespaces in an
/// undefined state: for a child that ends afterwards.
void probe_tap();
void probe_veth();
/// The remedy for a failed attempt to use /dev/net/tun; "" when none is known.
std::string tun_hint(int error);

/// The network helper of one container, from the side of its supervisor. It ends when this object does.
class Helper {
 public:
  /// Starts `sandbox helper netstack`, which prepares itself while the caller makes the container. Throws SysError.
  explicit Helper(const Config& config);
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  /// Gives the helper its interface; returns when it serves, with the host's port of each forward. Throws Error with
  /// the helper's reason (port in use, libslirp missing …).
  std::vector<std::uint16_t> connect(Fd nic);
  /// Ends the service; returns when the host's ports are free. The process itself needs longer: closing an interface
  /// costs it some 10 ms in the kernel (unregister_netdevice waits for all processors).
  void free_ports();

 private:
  std::size_t forwards_;
  Fd channel_, pidfd_;
  pid_t pid_ = -1;
};

/// Body of `sandbox helper netstack CONFIG_FD CHANNEL_FD`.
int netstack_main(Fd config, Fd channel);

}  // namespace sandbox::netstack
