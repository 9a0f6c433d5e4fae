// See connections.h.
#include "sandbox/engine/connections.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/memberships.h"
#include "sandbox/container/network_store.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/network_files.h"

namespace sandbox::engine {
namespace {

using container::Attachment;
using container::NetworkStore;
using container::Spec;

constexpr std::string_view kOwnNetwork = "bridge";

/// The hosts and resolv.conf files of one that is on no network with others, where they are written at every start.
void write_own_files(const std::string& directory, const Spec& spec) {
  RunRequest request;
  request.network = spec.plan.network ? "private" : "none";
  request.dns = spec.name_service.servers;
  request.dns_search = spec.name_service.search;
  request.dns_options = spec.name_service.options;
  request.add_hosts = spec.name_service.hosts;
  write_network_files(directory, spec, request);
}

const Attachment* find_attachment(const Spec& spec, const std::string& network) {
  const auto found = std::ranges::find(spec.attachments, network, &Attachment::network);
  return found == spec.attachments.end() ? nullptr : &*found;
}

/// Has its supervisor do what the description says of that network. Its helper is there by then: what the supervisor
/// starts is in the container's cgroup or scope, which would last as long as the network.
void tell(const Places& places, const container::Container& container, const std::string& network) {
  std::optional<netstack::Presence> present;
  if (const auto known = NetworkStore(places).find_by_id(network)) {
    present.emplace(container::networks_directory(places), container::served(*known));
  }
  container::request_network(container::connect_supervisor(places, container).get(), network);
}

/// `apply`, which returns the ID of the network that it is about, or "" for that of its own, to the description of a
/// container, and to itself if it is running.
void change(const Places& places, const std::string& reference, const std::function<std::string(Spec&)>& apply) {
  const container::ContainerStore store(places);
  const container::Container container = store.find(reference);
  Spec had;
  std::string network;
  const auto running = [&]() -> std::optional<container::Container> {
    auto now = store.read(container.spec.id);
    if (now && !container::is_up(now->state)) now.reset();
    return now;
  };
  (void)store.change(container, [&](Spec& spec) {
    had = spec;
    network = apply(spec);
    if (network.empty() && running()) {
      throw Conflict(fmt::format("container {} is running: the network of its own can't be changed", spec.name),
                     fmt::format("'sandbox stop {}' first", spec.name));
    }
    if (spec.attachments.empty() && !running()) write_own_files(store.directory_of(spec.id), spec);
  });
  // Looked at after the change: a supervisor that starts it just now looks at that once more when it says that it runs.
  const auto now = running();
  if (network.empty() || !now) return;
  try {
    tell(places, *now, network);
  } catch (const Error&) {
    (void)store.change(container, [&](Spec& spec) {
      std::erase_if(spec.attachments, [&](const Attachment& one) { return one.network == network; });
      if (const Attachment* before = find_attachment(had, network)) spec.attachments.push_back(*before);
    });
    throw;
  }
}

[[noreturn]] void refuse_again(const Spec& spec, std::string_view network) {
  throw Conflict(fmt::format("endpoint with name {} already exists in network {}", spec.name, network));
}

[[noreturn]] void refuse_absent(const Spec& spec, std::string_view network) {
  throw Conflict(fmt::format("container {} is not connected to network {}", spec.id, network));
}

std::string connect_own(Spec& spec, const NetworkWord& word, const std::vector<std::string>& links) {
  if (!word.address.empty() || !word.aliases.empty() || !links.empty()) {
    throw UsageError("addresses and names are for user-defined networks");
  }
  if (spec.plan.network) refuse_again(spec, word.name);
  spec.plan.network.emplace();
  return {};
}

std::string connect(const Places& places, Spec& spec, const NetworkWord& word, const std::vector<std::string>& links) {
  const NetworkStore networks(places);
  const SharedLock lock = networks.hold_shared();
  const container::Network network = networks.find(word.name);
  if (container::names_network(spec, network)) refuse_again(spec, network.name);
  spec.attachments.push_back(plan_attachment(network, word));
  for (const std::string& link : links) spec.attachments.back().links.push_back(find_link(places, network, link));
  return network.id;
}

/// The identifier of the network that `spec` knows by this word.
std::string network_id(const Places& places, const Spec& spec, const std::string& word) {
  try {
    return NetworkStore(places).find(word).id;
  } catch (const NotFound&) {
    const auto gone = std::ranges::find(spec.attachments, word, &Attachment::name);
    if (gone == spec.attachments.end()) throw;
    return gone->network;
  }
}

}  // namespace

void connect_container(const Places& places, const NetworkWord& word, const std::vector<std::string>& links,
                       const std::string& reference) {
  if (word.name == "host" || word.name == "none") {
    throw Conflict(fmt::format("containers can't be connected to network {}", word.name));
  }
  change(places, reference, [&](Spec& spec) -> std::string {
    if (!spec.plan.namespaces.network || spec.shared_namespaces.contains("network")) {
      throw Conflict(
          "container sharing network namespace with another container or host cannot be connected to any "
          "other network");
    }
    if (word.name == kOwnNetwork) return connect_own(spec, word, links);
    return connect(places, spec, word, links);
  });
}

void disconnect_container(const Places& places, const std::string& network, const std::string& reference) {
  change(places, reference, [&](Spec& spec) -> std::string {
    if (network == kOwnNetwork) {
      if (!spec.plan.network) refuse_absent(spec, network);
      spec.plan.network.reset();
      return {};
    }
    const std::string id = network_id(places, spec, network);
    const auto is_meant = [&](const Attachment& one) { return one.network == id; };
    if (std::erase_if(spec.attachments, is_meant) == 0) refuse_absent(spec, network);
    return id;
  });
}

}  // namespace sandbox::engine
