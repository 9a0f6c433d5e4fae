// `network connect` and `network disconnect`.
#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/network.h"
#include "sandbox/engine/connections.h"

namespace sandbox::cli {
namespace {

constexpr Option kConnectOptions[] = {
    {"alias", '\0', "strings", "Add network-scoped alias for the container"},
    {"ip", '\0', "string", "IPv4 address (e.g., \"172.30.100.104\")"},
    {"link", '\0', "list", "Add link to another container"},
};
constexpr const char* kOnlyIpv4 = "the network in user space has IPv4 only";
constexpr RefusedOption kRefusedConnectOptions[] = {
    {"driver-opt", "the network in user space has no options of this kind"},
    {"gw-priority", "a container's first network is its way to elsewhere"},
    {"ip6", kOnlyIpv4},
    {"link-local-ip", "the network in user space gives addresses of its subnet only"},
};
constexpr Option kDisconnectOptions[] = {
    {"force", 'f', nullptr, "Do not error if there is no such container or network"}};

int connect(const Arguments& arguments) {
  const engine::NetworkWord word{.name = arguments.positional[0],
                                 .aliases = arguments.all("alias"),
                                 .address = arguments.text("ip"),
                                 .hardware_address = {}};
  engine::connect_container(find_places(), word, arguments.all("link"), arguments.positional[1]);
  return 0;
}

int disconnect(const Arguments& arguments) {
  try {
    engine::disconnect_container(find_places(), arguments.positional[0], arguments.positional[1]);
  } catch (const NotFound&) {
    if (!arguments.flag("force")) throw;
  }
  return 0;
}

}  // namespace

const Command kNetworkConnect{"network connect",
                              "network connect [OPTIONS] NETWORK CONTAINER",
                              "Connect a container to a network",
                              kConnectOptions,
                              connect,
                              2,
                              2,
                              true,
                              1,
                              kRefusedConnectOptions};
const Command kNetworkDisconnect{"network disconnect",
                                 "network disconnect [OPTIONS] NETWORK CONTAINER",
                                 "Disconnect a container from a network",
                                 kDisconnectOptions,
                                 disconnect,
                                 2,
                                 2};

}  // namespace sandbox::cli
