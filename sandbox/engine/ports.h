// -p [ip:][host:]container[/proto] with ranges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/container/spec.h"
#include "sandbox/container/state.h"

namespace sandbox::engine {

/// One entry per port of a range. A missing host port is 0, any free one; a missing
/// address is 0.0.0.0. Throws UsageError with Docker's wording.
std::vector<container::PublishedPort> parse_publish(std::string_view text);

/// The ports of --expose: "80", "53/udp", "8000-8010". Throws UsageError.
std::vector<container::PublishedPort> parse_expose(const std::string& text);

/// "80/tcp": the port in the container.
std::string port_name(const container::PublishedPort& port);

/// What a container listens on, each once, in order and as "80/tcp": the ports of its image ("80/tcp", "53/udp", "80"),
/// a stranger whose words that are no port are left out, and those of --expose. Throws UsageError.
std::vector<std::string> exposed_ports(const std::vector<std::string>& of_image, const std::vector<std::string>& given);

/// For -P: an entry with a free host port for each of `exposed` that `ports` does not publish.
void publish_exposed(const std::vector<std::string>& exposed, std::vector<container::PublishedPort>& ports);

/// What is shown of a container that runs: its published ports, and without an address the exposed ones that are not
/// published. Without a network of its own it has none.
std::vector<container::PublishedPort> shown_ports(const container::SpecHead& spec, const container::State& state);

}  // namespace sandbox::engine
