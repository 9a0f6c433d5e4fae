// Containers that boot a whole system: what systemd expects of whoever starts it (systemd.io/CONTAINER_INTERFACE).
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::engine {

/// What --systemd says: auto (also when nothing is said): where the command is an init.
enum class SystemMode { automatic, always, never };
/// Throws UsageError.
SystemMode parse_system_mode(std::string_view word);

/// Whether the program is what distributions boot with.
bool is_init(std::string_view program);

inline constexpr int kSystemStopSignal = 37;  ///< SIGRTMIN+3, systemd(1): halt.

/// Beside those that every container has: /run, /run/lock and /tmp in memory, with what the image has there.
std::vector<userns::MountOp> system_mounts();

/// `id`: the container's; systemd makes the machine's id of it.
std::vector<std::string> system_environment(std::string_view id);

}  // namespace sandbox::engine
