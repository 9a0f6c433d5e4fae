// What `stop` and `restart` share: how a container is asked to end, and how long it may take.
#pragma once

#include "sandbox/cli/command.h"
#include "sandbox/container/container_store.h"

namespace sandbox::cli {

inline constexpr Option kStopOptions[] = {
    {"signal", 's', "string", "Signal to send to the container"},
    {"time", 't', "int", "Seconds to wait before killing the container (default: the container's)"},
    {"timeout", '\0', "int", "Seconds to wait before killing the container (default: the container's)"},
};

/// The signal, and SIGKILL after the time. No effect on a container that doesn't run. Throws UsageError.
void stop_as_asked(const Places& places, const container::Container& container, const Arguments& arguments);

}  // namespace sandbox::cli
