// A container's files as it sees them, mounts included, from outside. Runs in the client, which makes a child for it.
#pragma once

#include <functional>
#include <string>

#include "sandbox/base/places.h"
#include "sandbox/base/process.h"
#include "sandbox/container/container_store.h"

namespace sandbox::engine {

/// `root`: O_PATH, the container's root directory. What is in there is a stranger's: names are to be resolved below it
/// (openat2(2), RESOLVE_IN_ROOT), and nothing of it is to be loaded or executed.
using InContainer = std::function<std::string(int root)>;

/// Runs `act` in a child that is root of the container's user namespace and stays with the host's files otherwise. A
/// container that doesn't run is set up as if it were to start, without its program; nobody can start or remove it
/// meanwhile. The child's answer is an Error for a container that has ended, or is in use by another such command.
AskedChild ask_in_container(const Places& places, const container::Container& container, const InContainer& act);

/// The same for what the plan's container would see of its image alone, before there is one: nothing can be written.
AskedChild ask_in_image(const Places& places, const userns::LaunchPlan& plan, const InContainer& act);

}  // namespace sandbox::engine
