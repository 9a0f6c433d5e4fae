// `update`: other limits and another restart policy for containers that exist. Runs in the client.
#pragma once

#include <string>

#include "sandbox/container/container_store.h"
#include "sandbox/engine/requests.h"

namespace sandbox::engine {

/// What a container has, with the words of `given` in place of what they name. Throws UsageError. Pure.
cgroup::Limits updated_limits(const cgroup::Limits& present, const RunRequest& given, unsigned processors);

/// Changes the container `id`, also one that runs: its cgroup at once, its policy at its next end. What is empty in
/// `given` stays. Throws UsageError, Conflict; Unsupported where a limit can't be had.
void update_container(const Places& places, const std::string& id, const RunRequest& given);

}  // namespace sandbox::engine
