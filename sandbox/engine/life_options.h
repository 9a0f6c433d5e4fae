// The flags of `run` that say how a container lives on: its restarts and its end. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/container/spec.h"

namespace sandbox::engine {

/// The words of --restart; empty: no. Throws UsageError in Docker's words.
container::RestartPolicy parse_restart_policy(std::string_view words);

/// Seconds of --stop-timeout; empty: the usual ones. Negative: no bound. Throws UsageError.
int parse_stop_timeout(const std::string& text);

/// The words of --log-driver and --log-opt; empty: json-file. Throws UsageError in Docker's words.
container::LogPlan parse_log(const std::string& driver, const std::vector<std::string>& options);

}  // namespace sandbox::engine
