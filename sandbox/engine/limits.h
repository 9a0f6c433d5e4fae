// Docker's words for resource limits, and what of them this machine lets a container have.
#pragma once

#include <string>
#include <vector>

#include "sandbox/cgroup/placement.h"
#include "sandbox/engine/requests.h"

namespace sandbox::engine {

/// Pure: disks have their paths alone. `processors`: how many there are. Throws UsageError in Docker's words.
cgroup::Limits parse_limits(const RunRequest& request, unsigned processors);

struct GrantedLimits {
  cgroup::Limits limits;
  std::vector<std::string> warnings;  ///< One for each limit left out.
};
/// Pure. Throws Unsupported when one of `limits` can't be applied, or leaves it out with `best_effort`.
GrantedLimits grant_limits(const cgroup::Limits& limits, const cgroup::Surroundings& surroundings, bool best_effort);

/// Both, for this machine. Runs in the client, before anything is pulled or made.
GrantedLimits decide_limits(const RunRequest& request);

}  // namespace sandbox::engine
