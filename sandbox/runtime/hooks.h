// Programs of the host, or of the image, that run at points of a container's life (runtime-spec config.md, "POSIX-
// platform Hooks"). Any process with one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/oci/runtime_spec.h"

namespace sandbox::runtime {

/// What a child that is to be a hook calls in place of execve(2), with the hook's own environment if it has one; it
/// does not return.
using Become = std::function<void(const std::string& path, const std::vector<std::string>& argv,
                                  const std::optional<std::vector<std::string>>& env)>;

/// Runs them in order with `state` as their input. Throws Error when one can't be run, fails, or takes longer than its
/// time-out; those after it don't run. `kind`: "createRuntime" and the like, for messages.
void run_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state,
               const Become& become = {});

}  // namespace sandbox::runtime
