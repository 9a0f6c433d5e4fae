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

/// What one of its networks is to a container.
struct NetworkPart {
  bool is_way_out = false;      ///< The default route goes through it, and its ports are reached through it.
  bool asks_elsewhere = false;  ///< Another server knows of names that the network has not.

  bool operator==(const NetworkPart&) const = default;
};
/// Of the networks in their order: the first one that is not internal leads out, where the container has no network of
/// its own. Pure.
std::vector<NetworkPart> parts_of(const std::vector<Network>& networks, bool has_own);

/// What a container says of itself on the network `attachment`. Pure.
netstack::Joining joining(const Spec& spec, const Attachment& attachment, const std::vector<Endpoint>& before,
                          const NetworkPart& part);

class Memberships {
 public:
  explicit Memberships(const Places& places) : places_(places) {}

  /// Joins the networks of the spec that it is not on, and leaves those that the spec does not name. `before`: the ends
  /// that the container had, whose addresses it gets again if they are free. Throws NotFound for a network that has
  /// gone, Error with what a network's helper says; then it is where it was, unless a network could not be joined again
  /// that it had left to be its way out. Precondition: the caller holds NetworkStore::hold_shared() until its state
  /// tells of these.
  void follow(const Spec& spec, const std::vector<Endpoint>& before);

  /// Of networks that it has joined, and that are not connected.
  std::vector<userns::NetworkInterface> interfaces() const;
  /// `nics`: the outer ends of interfaces(). They are served from here on.
  void connect(const Spec& spec, std::vector<Fd> nics);
  /// Networks whose interfaces could not be made.
  void give_up_unconnected();
  /// Returns when addresses and ports are free.
  void leave(const Spec& spec);

  std::vector<Endpoint> endpoints() const;
  /// The host's ports of Spec::ports; none where its own network has them.
  const std::vector<std::uint16_t>& host_ports() const { return host_ports_; }
  /// The hosts and resolv.conf files for `directory`, which the plan binds. `in_place`: they are bound already.
  void write_files(const std::string& directory, const Spec& spec, bool in_place) const;

 private:
  struct One {
    Network network;
    NetworkPart part;
    netstack::Membership membership;
    std::string interface;
    bool connected = false;
  };
  One* find(const std::string& network);
  std::vector<std::string> interfaces_for(const Spec& spec, const std::vector<Network>& networks);
  void leave(const Spec& spec, One& one);
  std::vector<std::string> name_servers(const Spec& spec) const;
  void record(const Spec& spec, const One& one, const char* action) const;

  Places places_;
  std::vector<One> all_;  ///< In the order of the spec's attachments.
  std::vector<std::uint16_t> host_ports_;
};

/// Where the helpers of networks are found.
std::string networks_directory(const Places& places);
/// What a network's helper has to know of it. Pure.
netstack::Network served(const Network& network);

}  // namespace sandbox::container
