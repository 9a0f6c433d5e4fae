// See shared_namespaces.h. Runs in the client. The words of errors are moby's (daemon/internal/runconfig).
#include "sandbox/engine/shared_namespaces.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/container/container_store.h"

namespace sandbox::engine {
namespace {

using userns::NamespacePlan;

struct Kind {
  const char* word;
  const char* flag;
  std::string RunRequest::* request;
  bool NamespacePlan::* is_own;
};
constexpr Kind kKinds[] = {{"network", "network", &RunRequest::network, &NamespacePlan::network},
                           {"pid", "pid", &RunRequest::pid, &NamespacePlan::pid},
                           {"ipc", "ipc", &RunRequest::ipc, &NamespacePlan::ipc},
                           {"uts", "uts", &RunRequest::uts, &NamespacePlan::uts},
                           {"cgroup", "cgroupns", &RunRequest::cgroupns, &NamespacePlan::cgroup},
                           {"user", "userns", &RunRequest::userns, &NamespacePlan::user}};

/// NAME of "container:NAME"; empty for another word.
std::string_view named(std::string_view word) {
  constexpr std::string_view prefix = "container:";
  return word.starts_with(prefix) ? word.substr(prefix.size()) : std::string_view();
}

[[noreturn]] void refuse(const char* what, const char* mode) {
  throw UsageError(fmt::format("conflicting options: {} and the {} mode", what, mode));
}

void check_network(const RunRequest& request) {
  if (!request.hostname.empty()) refuse("hostname", "network");
  if (!request.dns.empty() || !request.dns_search.empty() || !request.dns_options.empty()) refuse("dns", "network");
  if (!request.links.empty()) {
    throw UsageError("conflicting options: container type network can't be used with links. This would result in "
                     "undefined behavior");
  }
  if (!request.add_hosts.empty()) refuse("custom host-to-IP mapping", "network");
  if (!request.mac_address.empty()) refuse("mac-address", "network");
  if (!request.publish.empty() || request.publish_all) refuse("port publishing", "container type network");
  if (!request.expose.empty()) refuse("port exposing", "container type network");
}

/// Whose it is that `one` has of that kind from others, as far as they are still there.
container::Container origin(const container::ContainerStore& store, container::Container one, const char* kind) {
  for (;;) {
    const auto shared = one.spec.shared_namespaces.find(kind);
    if (shared == one.spec.shared_namespaces.end()) return one;
    try {
      one = store.find(shared->second);
    } catch (const NotFound&) {
      return one;
    }
  }
}

void check_shared_memory(const container::Container& other) {
  const auto& mounts = other.spec.plan.mounts;
  if (std::ranges::find(mounts, "/dev/shm", &userns::MountOp::target) != mounts.end()) return;
  throw Conflict(fmt::format(
      "container {}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)", other.spec.id));
}

}  // namespace

void check_sharing(const RunRequest& request) {
  for (const Kind& kind : kKinds) {
    const std::string& word = request.*(kind.request);
    if (!names_container(word) || !named(word).empty()) continue;
    if (kind.request != &RunRequest::network) throw UsageError(fmt::format("--{}: invalid mode: {}", kind.flag, word));
    throw UsageError("invalid network mode: invalid container format container:<name|id>");
  }
  if (names_container(request.network)) check_network(request);
  if (names_container(request.ipc) && !request.shm_size.empty()) refuse("shm-size", "IPC");
  if (names_container(request.uts) && !request.hostname.empty()) refuse("hostname", "UTS");
  if (names_container(request.uts) && !request.domainname.empty()) refuse("domainname", "UTS");
}

Sharing find_sharing(const Places& places, const RunRequest& request) {
  Sharing sharing;
  std::string owner;
  const container::ContainerStore store(places);
  for (const Kind& kind : kKinds) {
    const std::string_view reference = named(request.*(kind.request));
    if (reference.empty()) continue;
    const container::Container other = store.find(std::string(reference));
    const userns::LaunchPlan& plan = other.spec.plan;
    const std::string others_owner = origin(store, other, "user").spec.id;
    if (sharing.any() && others_owner != owner) {
      throw Conflict(fmt::format("nothing can be shared with both of containers {} and {}: each has a user namespace",
                                 sharing.name, other.spec.name));
    }
    if (kind.request == &RunRequest::ipc) check_shared_memory(other);
    if (kind.request == &RunRequest::network) sharing.network_directory = origin(store, other, "network").directory;
    if (kind.request == &RunRequest::network || kind.request == &RunRequest::uts) sharing.hostname = plan.hostname;
    sharing.namespaces[kind.word] = {other.spec.id, !(plan.namespaces.*(kind.is_own))};
    sharing.namespaces.try_emplace("user", Sharing::Namespace{other.spec.id});
    sharing.identity = plan.identity;
    sharing.name = other.spec.name;
    owner = others_owner;
  }
  return sharing;
}

std::string shared_user_mode(const Sharing& sharing, const std::string& asked, const HostIdentity& host) {
  const User caller{.uid = host.uid, .gid = host.gid};
  const auto kept = plan_identity(caller, host, "keep-id", "off").uid_map;
  const auto usual = plan_identity({}, host, "", "off").uid_map;
  const std::string mode = sharing.identity.uid_map == kept && kept != usual ? "keep-id" : "";
  if (asked.empty() || names_container(asked)) return mode;
  (void)plan_identity(caller, host, asked, "off");  // a word that is none
  if ((asked == "keep-id") == (mode == "keep-id")) return mode;
  throw UsageError(fmt::format("conflicting options: --userns={} and the ids of container {}, whose namespaces are "
                               "shared", asked, sharing.name));
}

userns::IdentityPlan shared_identity(const Sharing& sharing, const User& user, const HostIdentity& host,
                                     const std::string& emulation) {
  userns::IdentityPlan identity = sharing.identity;
  const bool has_id = is_mapped(identity, user);
  // Without a range root can be played to be anybody, if the others' namespace has root.
  const User player = has_id ? user : User{.uid = identity.uid_map.front().inside};
  identity.emulation = plan_emulation(player, host, emulation);
  if (has_id || identity.emulation != userns::IdEmulation::off) return identity;
  throw UsageError(fmt::format("user {}:{} has no id in the user namespace of container {}", user.uid, user.gid,
                               sharing.name),
                   fmt::format("-u {}:{} has", identity.uid_map.front().inside, identity.gid_map.front().inside));
}

void own_shared(NamespacePlan& namespaces, const Sharing& sharing) {
  for (const Kind& kind : kKinds) {
    if (sharing.has(kind.word)) namespaces.*(kind.is_own) = !sharing.namespaces.at(kind.word).is_hosts;
  }
}

NamespacePlan without_shared(NamespacePlan namespaces, const Sharing& sharing) {
  for (const Kind& kind : kKinds) {
    if (sharing.has(kind.word)) namespaces.*(kind.is_own) = false;
  }
  return namespaces;
}

}  // namespace sandbox::engine
