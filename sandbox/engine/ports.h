// -p [ip:][host:]container[/proto] with ranges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/container/spec.h"

namespace sandbox::engine {

/// One entry per port of a range. A missing host port is 0, any free one; a missing
/// address is 0.0.0.0. Throws UsageError with Docker's wording.
std::vector<container::PublishedPort> parse_publish(std::string_view text);

/// The ports of --expose: "80", "53/udp", "8000-8010". Throws UsageError.
std::vector<container::PublishedPort> parse_expose(const std::string& text);

/// For -P: an entry with a free host port for each of the image's `exposed` ports ("80/tcp", "53/udp", "80") that
/// `ports` does not publish. The image is a stranger: what is no port is left out.
void publish_exposed(const std::vector<std::string>& exposed, std::vector<container::PublishedPort>& ports);

}  // namespace sandbox::engine
