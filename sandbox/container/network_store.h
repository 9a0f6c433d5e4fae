// User-defined networks on disk: networks/<name>.json. Readers take no lock. networks/.lock is held by who makes or
// removes one, and shared by a container's supervisor while it joins one: from its look whether the network is still
// there until its state says that it is a member. It comes after all other locks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/base/shared_lock.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/network.h"

namespace sandbox::container {

/// The container counts on the network, whatever it does at the moment.
bool names_network(const SpecHead& spec, const Network& network);
/// It is on the network now.
bool is_on_network(const Entry& container, const Network& network);

/// Where the helpers of networks have their sockets.
std::string networks_directory(const Places& places);

class NetworkStore {
 public:
  explicit NetworkStore(const Places& places) : places_(places) {}

  /// By name, ID or unique prefix of an ID. Throws NotFound "network X not found", Conflict for an ambiguous prefix.
  Network find(const std::string& word) const;
  std::optional<Network> find_by_id(const std::string& id) const;
  std::vector<Network> list() const;      ///< By name; unreadable ones are left out with a warning.
  std::vector<std::string> names() const;  ///< Of all, the unreadable ones among them.
  /// Fills in id and time, and subnet and gateway where they are empty. On the disk when it returns. Throws Conflict
  /// when there is one of this name, or when the subnet overlaps another one's; InvalidInput for what no network can
  /// have.
  Network create(Network wanted) const;
  /// Throws Conflict when a container is on it, NotFound when it has gone meanwhile.
  void remove(const Network& network) const;
  /// For what find() can't show, since its description is damaged or a newer version's. Returns false for none such.
  bool remove_unreadable(const std::string& name) const;
  /// Removes those that no container names, running or not, and that `goes` is true for. Returns them.
  std::vector<Network> prune(const std::function<bool(const Network&)>& goes) const;

  /// While it lives none is made or removed.
  SharedLock hold_shared() const;

 private:
  std::string root() const { return places_.data + "/networks"; }
  std::string path_of(const std::string& name) const { return root() + "/" + name + ".json"; }
  std::string lock_path() const { return root() + "/.lock"; }
  Network load(const std::string& name) const;
  void unlink(const std::string& name) const;

  Places places_;
};

}  // namespace sandbox::container
