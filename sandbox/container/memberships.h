// The user-defined networks that a running container is on. Runs in its supervisor. Where it has a network of its own,
// too, that is its first interface, its way out, and what its ports are published on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netstack/network.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/places.h"
#include "sandbox/container/network.h"
#include "sandbox/container/spec.h"
#include "sandbox/container/state.h"
#include "userns/launch_plan.h"

namespace sandbox::container {

class Memberships {
 public:
  /// Joins each of the spec's attachments, of which there is one at least, in their order. `before`: the ends that the
  /// container had, whose addresses it gets again if they are free. Throws NotFound for a network that has gone, Error
  /// with what a network's helper says. Precondition: the caller holds NetworkStore::hold_shared() until its state
  /// tells of these.
  Memberships(const Places& places, const Spec& spec, const std::vector<Endpoint>& before);

  std::vector<userns::NetworkInterface> interfaces() const;
  std::vector<Endpoint> endpoints() const;
  /// The hosts and resolv.conf files for `directory`, which the plan binds.
  void write_files(const std::string& directory, const Spec& spec) const;
  /// `nics`: the outer ends of interfaces(). They are served from here on; returns the host's ports of Spec::ports, none
  /// where it has a network of its own.
  std::vector<std::uint16_t> connect(std::vector<Fd> nics);
  /// Returns when addresses and ports are free.
  void leave();

  /// "connect" or "disconnect", for `events`.
  void record(const Places& places, const Spec& spec, const char* action) const;

 private:
  struct One {
    Network network;
    netstack::Membership membership;
    std::string interface;
  };
  const One* way_out() const;
  std::vector<std::string> name_servers(const NameService& names) const;

  std::optional<userns::NetworkInterface> own_;
  std::vector<One> all_;
};

/// Where the helpers of networks are found.
std::string networks_directory(const Places& places);

/// What a container says of itself on the network `attachment`. `publishes`: its ports are reached through that one.
/// Pure.
netstack::Joining joining(const Spec& spec, const Attachment& attachment, const std::vector<Endpoint>& before,
                          bool publishes);

}  // namespace sandbox::container
