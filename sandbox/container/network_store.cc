// See network_store.h.
#include "sandbox/container/network_store.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "netstack/netstack.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/events.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {
namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kIdDigits = 64;

std::uint32_t address_in(const sockaddr& address) {
  sockaddr_in internet{};
  std::memcpy(&internet, &address, sizeof internet);
  return ntohl(internet.sin_addr.s_addr);
}

/// What this host reaches by an interface or a route of its own: a container whose network has such an address could
/// not.
std::vector<Ipv4Range> ranges_of_host() {
  std::vector<Ipv4Range> ranges;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) throw SysError(Errno{errno}, "listing this host's addresses");
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    ranges.push_back(ipv4_range_of(address_in(*one->ifa_addr), std::popcount(address_in(*one->ifa_netmask))));
  }
  if (const std::string routes = "/proc/net/route"; path_exists(routes)) {
    for (const Ipv4Range& range : routed_ranges(read_file(routes))) ranges.push_back(range);
  }
  return ranges;
}

void check_name(const std::string& name) {
  if (is_predefined_network(name)) {
    throw UsageError(fmt::format("operation is not permitted on predefined {} network", name));
  }
  if (!is_valid_network_name(name)) {
    throw UsageError(
        fmt::format("network name \"{}\" is invalid: only \"[a-zA-Z0-9][a-zA-Z0-9_.-]*\" are allowed", name));
  }
}

/// The first address of a host.
std::string usual_gateway(const std::string& subnet) {
  const auto range = parse_ipv4_range(subnet);
  return range ? ipv4_text(range->first + 1) : "";  // check_network() says what is wrong
}

std::string free_subnet(const std::vector<Network>& others) {
  std::vector<Ipv4Range> taken = ranges_of_host();
  for (const Network& other : others) taken.push_back(subnet_of(other));
  if (const auto subnet = choose_subnet(taken)) return subnet->text();
  throw Conflict("all predefined address pools have been fully subnetted",
                 "unused networks go with 'network prune'; another subnet is chosen with --subnet");
}

void refuse_overlap(const Network& wanted, const std::vector<Network>& others) {
  const netstack::Config own;  // a container may have both
  const auto range = parse_ipv4_range(fmt::format("{}/{}", own.gateway, own.prefix));
  if (range && range->overlaps(subnet_of(wanted))) {
    throw Conflict("invalid pool request: Pool overlaps with other one on this address space",
                   fmt::format("containers' own networks have {}", range->text()));
  }
  for (const Network& other : others) {
    if (!subnet_of(other).overlaps(subnet_of(wanted))) continue;
    throw Conflict("invalid pool request: Pool overlaps with other one on this address space",
                   fmt::format("network {} has {}", other.name, other.subnet));
  }
}

/// Of processes that were killed while they had the lock.
void sweep(const std::string& root) {
  for (const std::string& file : list_directory(root)) {
    if (file.ends_with(".tmp")) (void)sys::unlinkat(AT_FDCWD, (root + "/" + file).c_str(), 0);
  }
}

/// Of a helper that was killed. One that lives, with nobody on the network, is about to end.
void remove_socket(const Places& places, const Network& network) {
  (void)sys::unlinkat(AT_FDCWD, fmt::format("{}/{}.sock", networks_directory(places), network.id).c_str(), 0);
}

Event event_of(const char* action, const Network& network) {
  return {"network", action, network.id, {{"name", network.name}, {"type", "bridge"}}};
}

}  // namespace

std::string networks_directory(const Places& places) { return places.runtime + "/networks"; }

bool names_network(const SpecHead& spec, const Network& network) {
  return std::ranges::any_of(spec.attachments, [&](const Attachment& one) { return one.network == network.id; });
}

bool is_on_network(const Entry& container, const Network& network) {
  const State& state = container.state;
  if (!is_up(state)) return false;
  return names_network(container.spec, network) ||
         std::ranges::any_of(state.endpoints, [&](const Endpoint& one) { return one.network == network.id; });
}

Network NetworkStore::load(const std::string& name) const {
  const std::string path = path_of(name);
  Network network = network_from_json(parse_json(read_file(path), path));
  if (network.name != name) throw InvalidInput(fmt::format("{}: the name is not the file's", path));
  return network;
}

Network NetworkStore::find(const std::string& word) const {
  if (is_valid_network_name(word) && path_exists(path_of(word))) return load(word);
  std::vector<Network> meant = list();
  std::erase_if(meant, [&](const Network& one) { return word.empty() || !one.id.starts_with(word); });
  if (meant.empty()) throw NotFound(fmt::format("network {} not found", word));
  if (meant.size() > 1) {
    throw Conflict(fmt::format("network {} is ambiguous ({} matches found based on ID prefix)", word, meant.size()));
  }
  return std::move(meant.front());
}

std::optional<Network> NetworkStore::find_by_id(const std::string& id) const {
  for (Network& network : list()) {
    if (network.id == id) return std::move(network);
  }
  return {};
}

std::vector<std::string> NetworkStore::names() const {
  std::vector<std::string> names;
  for (const std::string& file : list_directory(root())) {
    if (file.ends_with(kSuffix)) names.push_back(file.substr(0, file.size() - kSuffix.size()));
  }
  return names;
}

std::vector<Network> NetworkStore::list() const {
  std::vector<Network> networks;
  for (const std::string& name : names()) {
    try {
      networks.push_back(load(name));
    } catch (const SysError&) {
      // removed while we looked
    } catch (const Error& error) {
      fmt::print(stderr, "warning: leaving out network {}: {}\n", name, error.what());
    }
  }
  std::ranges::sort(networks, {}, &Network::name);
  return networks;
}

Network NetworkStore::create(Network wanted) const {
  check_name(wanted.name);
  make_directories(root());
  const FileLock lock(lock_path());
  sweep(root());
  if (path_exists(path_of(wanted.name))) {
    throw Conflict(fmt::format("network with name {} already exists", wanted.name));
  }
  const std::vector<Network> others = list();
  if (wanted.subnet.empty()) wanted.subnet = free_subnet(others);
  if (wanted.gateway.empty()) wanted.gateway = usual_gateway(wanted.subnet);
  check_network(wanted);
  refuse_overlap(wanted, others);
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  wanted.id = random_hex(kIdDigits);
  wanted.created = now.tv_sec;
  wanted.created_nanoseconds = static_cast<std::uint32_t>(now.tv_nsec);
  write_file_atomic(path_of(wanted.name), to_json(wanted).dump());
  record_event(places_.data, event_of("create", wanted));
  return wanted;
}

void NetworkStore::unlink(const std::string& name) const {
  sys::unlinkat(AT_FDCWD, path_of(name).c_str(), 0) | or_throw("removing network '{}'", name);
  const Fd directory = sys::openat(AT_FDCWD, root().c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", root());
  sys::fsync(directory.get()) | or_throw("syncing '{}'", root());
}

void NetworkStore::remove(const Network& network) const {
  const FileLock lock(lock_path());
  sweep(root());
  if (!find_by_id(network.id)) throw NotFound(fmt::format("network {} not found", network.name));
  std::string members;
  for (const Entry& one : ContainerStore(places_).entries()) {
    if (!is_on_network(one, network)) continue;
    members += fmt::format("{}name:\"{}\" id:\"{:.12}\"", members.empty() ? "" : ", ", one.spec.name, one.spec.id);
  }
  if (!members.empty()) {
    throw Conflict(fmt::format("error while removing network: network {} has active endpoints ({})", network.name,
                               members));
  }
  unlink(network.name);
  remove_socket(places_, network);
  record_event(places_.data, event_of("destroy", network));
}

bool NetworkStore::remove_unreadable(const std::string& name) const {
  if (!is_valid_network_name(name) || !path_exists(path_of(name))) return false;
  const FileLock lock(lock_path());
  try {
    (void)load(name);
    return false;  // made anew meanwhile
  } catch (const SysError&) {
    return false;
  } catch (const Error&) {
    unlink(name);
    return true;
  }
}

std::vector<Network> NetworkStore::prune(const std::function<bool(const Network&)>& goes) const {
  if (!path_exists(lock_path())) return {};
  const FileLock lock(lock_path());
  sweep(root());
  std::vector<Network> networks = list();
  const auto containers = ContainerStore(places_).entries();
  std::erase_if(networks, [&](const Network& network) {
    return !goes(network) ||
           std::ranges::any_of(containers, [&](const Entry& one) { return names_network(one.spec, network); });
  });
  for (const Network& network : networks) {
    unlink(network.name);
    remove_socket(places_, network);
    record_event(places_.data, event_of("destroy", network));
  }
  return networks;
}

SharedLock NetworkStore::hold_shared() const {
  make_directories(root());
  return SharedLock(lock_path());
}

}  // namespace sandbox::container
