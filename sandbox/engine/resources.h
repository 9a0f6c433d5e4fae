// Which rung of the resources ladder this user stands on, for `doctor` and `info`.
#pragma once

#include <string>
#include <vector>

namespace sandbox::engine {

struct ResourcesReport {
  std::string rung;                      ///< "systemd user scope", "delegated cgroup" or "none"
  std::vector<std::string> controllers;  ///< That a container's limits can use.
  std::string reason, fix;               ///< Why --memory, --cpus and --pids-limit don't all work; empty: they do.
};

/// From what can be read; asks nobody.
ResourcesReport survey_resources();
/// The same, proven by making a limited cgroup in a child process.
ResourcesReport probe_resources();

}  // namespace sandbox::engine
