// See connections.h.
#include "sandbox/engine/connections.h"

#include <algorithm>
#include <functional>

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

/// Has its supervisor do what the description says. The helper of a network that is new to it is there by then: what
/// the supervisor starts is in the container's cgroup, and ends with that.
void tell(const Places& places, const container::Container& container, const Spec& had, const Spec& wanted) {
  std::vector<netstack::Presence> present;
  for (const Attachment& attachment : wanted.attachments) {
    if (std::ranges::find(had.attachments, attachment.network, &Attachment::network) != had.attachments.end()) continue;
    const auto network = NetworkStore(places).find_by_id(attachment.network);
    if (network) present.emplace_back(container::networks_directory(places), container::served(*network));
  }
  container::request_networks(container::connect_supervisor(places, container).get());
}

/// `apply` to the description of a container, and to itself if it is running.
void change(const Places& places, const std::string& reference, const std::function<void(Spec&)>& apply) {
  const container::ContainerStore store(places);
  const container::Container container = store.find(reference);
  const bool is_up = container::is_up(container.state);
  Spec had;
  const Spec wanted = store.change(container, [&](Spec& spec) {
    had = spec;
    apply(spec);
    if (is_up && spec.plan.network.has_value() != had.plan.network.has_value()) {
      throw Conflict(fmt::format("container {} is running: the network of its own can't be changed", spec.name),
                     fmt::format("'sandbox stop {}' first", spec.name));
    }
    if (!is_up && spec.attachments.empty()) write_own_files(store.directory_of(spec.id), spec);
  });
  if (!is_up) return;
  try {
    tell(places, container, had, wanted);
  } catch (const Error&) {
    (void)store.change(container, [&](Spec& spec) { spec.attachments = had.attachments; });
    throw;
  }
}

[[noreturn]] void refuse_again(const Spec& spec, std::string_view network) {
  throw Conflict(fmt::format("endpoint with name {} already exists in network {}", spec.name, network));
}

[[noreturn]] void refuse_absent(const Spec& spec, std::string_view network) {
  throw Conflict(fmt::format("container {} is not connected to network {}", spec.id, network));
}

void connect_own(Spec& spec, const NetworkWord& word, const std::vector<std::string>& links) {
  if (!word.address.empty() || !word.aliases.empty() || !links.empty()) {
    throw UsageError("addresses and names are for user-defined networks");
  }
  if (spec.plan.network) refuse_again(spec, word.name);
  spec.plan.network.emplace();
}

void connect(const Places& places, Spec& spec, const NetworkWord& word, const std::vector<std::string>& links) {
  const NetworkStore networks(places);
  const SharedLock lock = networks.hold_shared();
  const container::Network network = networks.find(word.name);
  if (container::names_network(spec, network)) refuse_again(spec, network.name);
  spec.attachments.push_back(plan_attachment(network, word));
  for (const std::string& link : links) spec.attachments.back().links.push_back(find_link(places, network, link));
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
  change(places, reference, [&](Spec& spec) {
    if (!spec.plan.namespaces.network || spec.shared_namespaces.contains("network")) {
      throw Conflict(
          "container sharing network namespace with another container or host cannot be connected to any "
          "other network");
    }
    if (word.name == kOwnNetwork) return connect_own(spec, word, links);
    connect(places, spec, word, links);
  });
}

void disconnect_container(const Places& places, const std::string& network, const std::string& reference) {
  change(places, reference, [&](Spec& spec) {
    if (network == kOwnNetwork) {
      if (!spec.plan.network) refuse_absent(spec, network);
      return spec.plan.network.reset();
    }
    const std::string id = network_id(places, spec, network);
    const auto is_meant = [&](const Attachment& one) { return one.network == id; };
    if (std::erase_if(spec.attachments, is_meant) == 0) refuse_absent(spec, network);
  });
}

}  // namespace sandbox::engine
