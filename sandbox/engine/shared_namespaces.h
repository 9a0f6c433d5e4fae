// Namespaces that a container shares with others: --network container:NAME, and the like of --pid, --ipc, --uts,
// --cgroupns and --userns. They belong to the user namespace of the others, so that is shared, too.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sandbox/base/places.h"
#include "sandbox/container/spec.h"
#include "sandbox/engine/identity.h"
#include "sandbox/engine/requests.h"

namespace sandbox::engine {

/// What a request shares with containers that exist.
struct Sharing {
  struct Namespace {
    std::string id;         ///< Of the container that was named.
    bool is_hosts = false;  ///< It has the host's.
  };
  std::map<std::string, Namespace> namespaces;  ///< By the words of NamespaceKind: "network".
  userns::IdentityPlan identity;                ///< Of the user namespace that they are of.
  std::string name;                             ///< Of its container, for messages.
  std::string hostname;           ///< With the network or the name's namespace: the other's; empty: the host's.
  std::string network_directory;  ///< With a network: where the files are that go with it.

  bool any() const { return !namespaces.empty(); }
  bool has(const char* kind) const { return namespaces.contains(kind); }
};

/// Whether a flag's word names another container.
inline bool names_container(std::string_view word) { return word.starts_with("container:"); }

/// Throws UsageError for flags that can't be had with a namespace of others, in Docker's words. Pure.
void check_sharing(const RunRequest& request);

/// Looks the others up. Throws NotFound, and Conflict for what can't be shared.
Sharing find_sharing(const Places& places, const RunRequest& request);

/// The mode of --userns that the others' user namespace was made with, whatever is asked for. Throws UsageError when
/// something else is. Pure.
std::string shared_user_mode(const Sharing& sharing, const std::string& asked, const HostIdentity& host);
/// The others' ids, for this user. Throws UsageError for one without an id there. Pure.
userns::IdentityPlan shared_identity(const Sharing& sharing, const User& user, const HostIdentity& host,
                                     const std::string& emulation);

/// Namespaces as a plan at rest has them: those of others count as the container's own until it starts
/// (sandbox/container/shared_namespaces.h), but for the host's. Pure.
void own_shared(userns::NamespacePlan& namespaces, const Sharing& sharing);
/// Those that are the container's alone. Pure.
userns::NamespacePlan without_shared(userns::NamespacePlan namespaces, const Sharing& sharing);

}  // namespace sandbox::engine
