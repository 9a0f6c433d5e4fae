// `network create`, `ls` and `rm`. `network inspect` is in inspect.cc, `network prune` in prune.cc.
#include "sandbox/cli/cmd/network.h"

#include <algorithm>
#include <charconv>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/cli/container_listing.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/cli/filters.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/cli/shown_network.h"
#include "sandbox/cli/table.h"

namespace sandbox::cli {
namespace {

using container::Network;
using container::NetworkStore;

constexpr Option kCreateOptions[] = {
    {"attachable", '\0', nullptr, "Enable manual container attachment"},
    {"aux-address", '\0', "map", "Auxiliary IPv4 addresses, which no container gets"},
    {"driver", 'd', "string", "Driver to manage the Network (default \"bridge\")"},
    {"gateway", '\0', "string", "IPv4 Gateway for the subnet"},
    {"internal", '\0', nullptr, "Restrict external access to the network"},
    {"ip-range", '\0', "string", "Allocate container ip from a sub-range"},
    {"ipam-driver", '\0', "string", "IP Address Management Driver (default \"default\")"},
    {"ipv4", '\0', nullptr, "Enable IPv4 address assignment (always)"},
    {"ipv6", '\0', nullptr, "Enable IPv6 address assignment (not possible)"},
    {"label", '\0', "list", "Set metadata on a network"},
    {"opt", 'o', "map", "Set driver specific options"},
    {"scope", '\0', "string", "Control the network's scope (always \"local\")"},
    {"subnet", '\0', "string", "Subnet in CIDR format that represents a network segment"},
};
constexpr const char* kOnlyManagers = "there are no swarms here";
constexpr RefusedOption kRefusedCreateOptions[] = {
    {"config-from", kOnlyManagers},
    {"config-only", kOnlyManagers},
    {"ingress", kOnlyManagers},
    {"ipam-opt", "the only driver of addresses has no options"},
};
constexpr Option kLsOptions[] = {
    {"filter", 'f', "filter", "Provide filter values (e.g. \"driver=bridge\")"},
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"no-trunc", '\0', nullptr, "Do not truncate the output"},
    {"quiet", 'q', nullptr, "Only display network IDs"},
};
constexpr Option kRmOptions[] = {{"force", 'f', nullptr, "Do not error if the network does not exist"}};

void refuse_other_words(const Arguments& arguments) {
  const std::string driver = arguments.text("driver", "bridge");
  if (driver == "host" || driver == "null") {
    throw Conflict(fmt::format("only one instance of \"{}\" network is allowed", driver));
  }
  if (driver != "bridge") {
    throw Unsupported(fmt::format("network driver '{}' is not possible without root, because only the kernel's "
                                  "administrator connects a container to the host's own networks", driver),
                      "drivers: bridge, which is a network in user space");
  }
  if (const std::string word = arguments.text("ipam-driver", "default"); word != "default") {
    throw Unsupported(fmt::format("IPAM driver '{}' is not there", word), "drivers: default");
  }
  if (const std::string word = arguments.text("scope", "local"); word != "local") {
    throw Unsupported(fmt::format("scope '{}' is not possible: {}", word, kOnlyManagers), "scopes: local");
  }
  if (arguments.flag("ipv6")) {
    throw Unsupported("--ipv6 is not possible, because the network in user space has IPv4 only");
  }
  if (arguments.last("ipv4") && !arguments.flag("ipv4")) {
    throw Unsupported("--ipv4=false is not possible: a network has IPv4 or nothing");
  }
}

/// A word that Docker takes several of: one for IPv4, one for IPv6.
std::string single(const Arguments& arguments, const char* name) {
  const std::vector<std::string> all = arguments.all(name);
  if (all.empty()) return {};
  if (all.size() > 1 || all.front().find(',') != std::string::npos) {
    throw Unsupported(fmt::format("more than one --{} is not possible: a network has one subnet", name));
  }
  if (all.front().find(':') != std::string::npos) {
    throw Unsupported(fmt::format("--{} {} is not possible, because the network in user space has IPv4 only", name,
                                  all.front()));
  }
  return all.front();
}

int parse_mtu(const std::string& text) {
  int mtu = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, mtu);
  if (error != std::errc() || stop != end) throw UsageError(fmt::format("invalid MTU \"{}\": it is no number", text));
  return mtu;
}

/// Docker's options for the driver bridge, as far as they can be had. What says how things are anyway is one of them.
void apply_option(Network& network, const std::string& word) {
  static constexpr std::string_view mtu_names[] = {"com.docker.network.driver.mtu", "mtu"};
  static constexpr std::string_view usual[] = {"com.docker.network.bridge.enable_icc=true",
                                               "com.docker.network.bridge.enable_ip_masquerade=true",
                                               "com.docker.network.bridge.host_binding_ipv4=0.0.0.0"};
  const auto equals = word.find('=');
  const std::string name = word.substr(0, equals);
  if (std::ranges::find(mtu_names, name) != std::end(mtu_names)) {
    network.mtu = parse_mtu(equals == std::string::npos ? "" : word.substr(equals + 1));
  } else if (std::ranges::find(usual, word) == std::end(usual)) {
    throw Unsupported(fmt::format("network option '{}' is not possible, because the network is in user space: there is "
                                  "no bridge on the host", word),
                      "options: com.docker.network.driver.mtu");
  }
  set_label(network.options, word);
}

int create(const Arguments& arguments) {
  refuse_other_words(arguments);
  Network wanted;
  wanted.name = arguments.positional[0];
  wanted.subnet = single(arguments, "subnet");
  wanted.gateway = single(arguments, "gateway");
  wanted.ip_range = single(arguments, "ip-range");
  if (wanted.subnet.empty() && !(wanted.gateway.empty() && wanted.ip_range.empty() && !arguments.last("aux-address"))) {
    throw UsageError("every ip-range or gateway must have a corresponding subnet");
  }
  for (const std::string& word : arguments.all("aux-address")) {
    if (!is_assignment(word)) throw UsageError(fmt::format("invalid aux-address \"{}\": it is no NAME=ADDRESS", word));
    set_label(wanted.reserved, word);
  }
  for (const std::string& word : arguments.all("label")) set_label(wanted.labels, word);
  for (const std::string& word : arguments.all("opt")) apply_option(wanted, word);
  wanted.internal = arguments.flag("internal");
  wanted.attachable = arguments.flag("attachable");
  const Places places = find_places();
  make_places(places);
  print(NetworkStore(places).create(wanted).id + "\n");
  return 0;
}

struct NetworkRow {
  const ShownNetwork* shown;
  bool whole;

  const Network& network() const { return shown->network; }
};

const char* word_of(bool value) { return value ? "true" : "false"; }

std::string label_of(const NetworkRow& row, const std::string& name) {
  const auto found = row.network().labels.find(name);
  return found == row.network().labels.end() ? "" : found->second;
}

constexpr Column<NetworkRow> kColumns[] = {
    {"ID", "NETWORK ID",
     [](const NetworkRow& row) { return row.whole ? row.network().id : short_id(row.network().id); }},
    {"Name", "NAME", [](const NetworkRow& row) { return row.network().name; }},
    {"Driver", "DRIVER", [](const NetworkRow& row) { return std::string(row.shown->driver); }},
    {"Scope", "SCOPE", [](const NetworkRow&) { return std::string("local"); }},
    {"IPv4", "IPV4", [](const NetworkRow&) { return std::string("true"); }},
    {"IPv6", "IPV6", [](const NetworkRow&) { return std::string("false"); }},
    {"Internal", "INTERNAL", [](const NetworkRow& row) { return std::string(word_of(row.network().internal)); }},
    {"Labels", "LABELS", [](const NetworkRow& row) { return labels_cell(row.network().labels); }},
    {"CreatedAt", "CREATED AT", [](const NetworkRow& row) { return local_time(row.network().created); }},
};
constexpr Listing<NetworkRow> kListing{"*network.networkContext", kColumns, label_of};

constexpr std::string_view kFilters[] = {"dangling", "driver", "id", "label", "name", "scope", "type"};

/// As Docker: what is there anyway counts as used.
bool is_used(const std::vector<container::Entry>& containers, const ShownNetwork& shown) {
  return shown.is_predefined || std::ranges::any_of(containers, [&](const container::Entry& one) {
           return container::is_on_network(one, shown.network);
         });
}

bool parse_bool(const std::string& filter, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw UsageError(fmt::format("invalid filter '{}={}'", filter, value));
}

bool is_of_type(const ShownNetwork& shown, const std::string& type) {
  if (type != "builtin" && type != "custom") throw UsageError(fmt::format("invalid filter 'type={}'", type));
  return shown.is_predefined == (type == "builtin");
}

std::vector<ShownNetwork> selected(const Places& places, const Arguments& arguments) {
  const Filters filters(arguments, kFilters);
  std::vector<container::Entry> containers;
  if (filters.has("dangling")) containers = container::ContainerStore(places).entries();
  std::vector<ShownNetwork> networks = shown_networks(NetworkStore(places));
  const auto is_dangling = [&](const ShownNetwork& one) { return !is_used(containers, one); };
  std::erase_if(networks, [&](const ShownNetwork& one) {
    const Network& network = one.network;
    return !(filters.any("name", [&](const auto& value) { return is_found(value, network.name); }) &&
             filters.any("id", [&](const auto& value) { return is_found(value, network.id); }) &&
             filters.any("driver", [&](const auto& value) { return value == one.driver; }) &&
             filters.any("scope", [&](const auto& value) { return value == "local"; }) &&
             filters.any("type", [&](const auto& value) { return is_of_type(one, value); }) &&
             filters.any("dangling",
                         [&](const auto& value) { return parse_bool("dangling", value) == is_dangling(one); }) &&
             filters.labels_fit(network.labels));
  });
  return networks;
}

int list(const Arguments& arguments) {
  const auto networks = selected(find_places(), arguments);
  const bool quiet = arguments.flag("quiet");
  const bool chosen = arguments.last("format") || quiet;
  const std::string format = chosen ? arguments.text("format") : docker_config("networksFormat");
  std::vector<NetworkRow> rows;
  for (const ShownNetwork& one : networks) rows.push_back({&one, arguments.flag("no-trunc")});
  constexpr std::string_view table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
  constexpr std::string_view raw = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
  print(render_listing(kListing, chosen_format({format, quiet, table, raw}), rows));
  return 0;
}

void remove(const std::string& name, const Arguments& arguments) {
  const NetworkStore store(find_places());
  try {
    const ShownNetwork shown = find_network(store, name);
    if (shown.is_predefined) {
      throw Conflict(fmt::format("{} is a pre-defined network and cannot be removed", shown.network.name));
    }
    store.remove(shown.network);
  } catch (const NotFound&) {
    if (!arguments.flag("force")) throw;
  } catch (const InvalidInput& error) {
    if (!arguments.flag("force")) throw InvalidInput(error.what(), "'network rm -f' removes one that is damaged");
    (void)store.remove_unreadable(name);
  }
}

int remove_all(const Arguments& arguments) { return for_each_argument(arguments, remove); }

}  // namespace

const Command kNetworkCreate{"network create",
                             "network create [OPTIONS] NETWORK-NAME",
                             "Create a network",
                             kCreateOptions,
                             create,
                             1,
                             1,
                             true,
                             1,
                             kRefusedCreateOptions};
const Command kNetworkLs{"network ls", "network ls [OPTIONS]", "List networks", kLsOptions, list, 0, 0};
const Command kNetworkRm{"network rm", "network rm [OPTIONS] NETWORK [NETWORK...]", "Remove one or more networks",
                         kRmOptions, remove_all, 1};

}  // namespace sandbox::cli
