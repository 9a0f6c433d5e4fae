// -p [ip:][host:]container[/proto] with ranges.
#pragma once

#include <string_view>
#include <vector>

#include "sandbox/container/spec.h"

namespace sandbox::engine {

/// One entry per port of a range. A missing host port is the container's own number; a missing
/// address is 0.0.0.0. Throws UsageError with Docker's wording.
std::vector<container::PublishedPort> parse_publish(std::string_view text);

}  // namespace sandbox::engine
