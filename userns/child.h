// Zone B: what the new process does between clone and its last stage. Ordinary C++, allowed since
// the parent had one thread. Never returns.
#pragma once

#include <string_view>

#include "userns/launch.h"

namespace sandbox::userns {

/// `beforehand`: clone_beforehand(plan).
[[noreturn]] void run_container_child(const LaunchPlan& plan, const std::vector<Fd>& beforehand,
                                      const StdioFds& stdio, const LaunchHooks& hooks, int channel) noexcept;
/// Child of join(): already in the container's namespaces.
[[noreturn]] void run_joined_child(const ProcessPlan& process, const StdioFds& stdio, int channel) noexcept;

void send_failure(int channel, int exit_code, std::string_view message, std::string_view hint = {}) noexcept;

}  // namespace sandbox::userns
