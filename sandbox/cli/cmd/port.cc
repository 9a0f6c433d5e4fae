// `port`: where a container's ports are published.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/ports.h"

namespace sandbox::cli {
namespace {

std::string outside(const container::PublishedPort& port) {
  const bool v6 = port.host_ip.find(':') != std::string::npos;
  return fmt::format("{}:{}", v6 ? "[" + port.host_ip + "]" : port.host_ip, port.host_port);
}

int run(const Arguments& arguments) {
  const auto found = container::ContainerStore(find_places()).find(arguments.positional[0]);
  std::vector<container::PublishedPort> ports;
  if (found.state.status == container::Status::running) ports = container::published_ports(found.spec, found.state);
  if (arguments.positional.size() == 1) {
    for (const auto& port : ports) print(fmt::format("{} -> {}\n", engine::port_name(port), outside(port)));
    return 0;
  }
  const std::string& word = arguments.positional[1];
  const std::string wanted = word.find('/') == std::string::npos ? word + "/tcp" : word;
  std::erase_if(ports, [&](const auto& port) { return engine::port_name(port) != wanted; });
  if (ports.empty()) {
    throw NotFound(fmt::format("no public port '{}' published for {}", wanted, arguments.positional[0]));
  }
  for (const auto& port : ports) print(outside(port) + "\n");
  return 0;
}

}  // namespace

const Command kPort{"port", "port CONTAINER [PRIVATE_PORT[/PROTO]]",
                    "List port mappings or a specific mapping for the container", {}, run, 1, 2};

}  // namespace sandbox::cli
