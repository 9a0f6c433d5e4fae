// Ending containers from a client: a signal through the supervisor, then watching the state.
#pragma once

#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"

namespace sandbox::engine {

/// Throws Conflict when it is not running.
void signal_container(const Places& places, const container::Container& container, int signal);

/// Freezes the container's processes, or lets them go on. Throws Conflict when it is not running, or is in that state
/// already; Unsupported when it has no cgroup.
void pause_container(const Places& places, const container::Container& container, bool on);

/// True when the container has ended (or is gone) within `seconds`; negative: no bound.
bool wait_until_ended(const container::ContainerStore& store, const std::string& id, int seconds);

/// `signal`, and SIGKILL when it still runs after `seconds`. No effect on one that doesn't run.
void stop_container(const Places& places, const container::Container& container, int signal, int seconds);

/// Removes the container `id` in whatever state it is: running ones are killed, one that is just being started is
/// waited for. No effect when it is gone.
void force_remove(const Places& places, const std::string& id);

}  // namespace sandbox::engine
