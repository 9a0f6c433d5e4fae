// A user-defined network: one helper process for all containers on it, which joins their interfaces to a switch and
// that to one libslirp, knows their names, and gives out addresses. Whoever comes first starts it; it ends with its
// last member. Its socket and lock are in a directory of the user's own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "netstack/netstack.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/json_fwd.h"

namespace sandbox::netstack {

struct Network {
  std::string id, name;
  std::string subnet;                 ///< "172.18.0.0/16"
  std::string range;                  ///< Where free addresses are taken from: the same, or a part of it.
  std::string gateway, dns;           ///< In the subnet.
  std::vector<std::string> reserved;  ///< Further addresses that no member gets.
  int mtu = 65520;
  bool internal = false;  ///< Leads nowhere but to its members.
};

/// What a container says of itself.
struct Joining {
  std::vector<std::string> names;            ///< For everybody on the network; the first one is its own.
  std::map<std::string, std::string> links;  ///< What it alone calls others there → one of their names.
  std::string address;                       ///< Empty: any.
  bool address_is_needed = false;            ///< No other address will do.
  std::string hardware_address;              ///< "02:42:ac:12:00:02"; empty: one that follows from the address.
  std::vector<PortForward> forwards;
  std::vector<std::string> name_servers;  ///< Whom it asks for names, beside the network's own.
  bool asks_elsewhere = false;            ///< For names that this network has not: it is to be sent on at once.
};

struct Lease {
  std::string address, hardware_address;
};

Json to_json(const Network& network);
Network network_from_json(const Json& document);
Json to_json(const Joining& joining);
Joining joining_from_json(const Json& document);

/// A container's place on a network, from the side of its supervisor. It ends with this object, and with the process.
class Membership {
 public:
  /// `directory`: for the network's socket and lock; made when absent. Throws Error with the helper's reason: an
  /// address or a port in use, libslirp missing.
  Membership(const std::string& directory, const Network& network, const Joining& joining);

  const Lease& lease() const { return lease_; }
  /// It hangs up when the helper has died. Borrowed.
  int channel() const { return channel_.get(); }
  /// The interface with the leased addresses begins to be served; returns the host's port of each forward.
  std::vector<std::uint16_t> connect(Fd nic);
  /// Ends it; returns when the address and the host's ports are free.
  void leave();

 private:
  std::string directory_, id_;
  std::size_t forwards_;
  Fd channel_;
  Fd nic_;  ///< The helper has it, too; who closes it last waits some 10 ms for the kernel.
  Lease lease_;
};

/// Has a network's helper serve as long as this lives, and starts it where there is none: it is in the cgroup of
/// whoever did that. Throws SysError.
class Presence {
 public:
  Presence(const std::string& directory, const Network& network);

 private:
  Fd channel_;
};

/// The helper's last word to its last member.
constexpr const char* kEnd = "end";

/// Body of `sandbox helper network CONFIG_FD LISTENER_FD CHANNEL_FD`: the last one is the first member's.
int network_main(Fd config, Fd listener, Fd channel);

}  // namespace sandbox::netstack
