// The user-defined networks that a running container is on. Runs in its supervisor. Where it has a network of its own,
// too, that is its first interface, its way out, and what its ports are published on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netstack/network.h"
#include "sandbox/base/error.h"
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

  /// Leaves the networks that the spec does not name, and joins those that it is not on. `before`: the ends that the
  /// container had, whose addresses it gets again if they are free. What can't be joined keeps it from no other: the
  /// first such failure is returned. Throws NotFound for a network that has gone, UsageError for ports that no network
  /// could publish; then nothing has changed. Precondition: the caller holds NetworkStore::hold_shared() until its
  /// state tells of these.
  std::optional<Error> follow(const Spec& spec, const std::vector<Endpoint>& before);

  /// Of networks that it has joined, and that are not connected.
  std::vector<userns::NetworkInterface> interfaces() const;
  /// `nics`: the outer ends of interfaces(), or none for one that was not made. They are served from here on.
  void connect(const Spec& spec, std::vector<Fd> nics);
  /// Leaves networks whose interfaces could not be made.
  void give_up_unconnected(const Spec& spec);
  /// Each hangs up when its network's helper has died. Borrowed.
  std::vector<int> channels() const;
  /// The helper at that channel has died: the container is not on its network any more. Returns the network's name.
  std::string forget(int channel);
  bool is_on(const std::string& network) const { return find(network) != nullptr; }
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
  const One* find(const std::string& network) const;
  std::vector<std::string> interfaces_for(const Spec& spec, const std::vector<Network>& networks);
  void connect(const Spec& spec, One& one, Fd nic);
  void leave(const Spec& spec, One& one);
  std::vector<std::string> name_servers(const Spec& spec) const;
  void record(const Spec& spec, const One& one, const char* action) const;

  Places places_;
  std::vector<One> all_;  ///< In the order of the spec's attachments.
  std::vector<std::uint16_t> host_ports_;
};

/// What a network's helper has to know of it. Pure.
netstack::Network served(const Network& network);

}  // namespace sandbox::container
