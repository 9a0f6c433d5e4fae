// What has become of a container: state.json in its directory, replaced atomically by its supervisor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/json_fwd.h"

namespace sandbox::container {

enum class Status { created, running, exited };

struct State {
  Status status = Status::created;
  /// Who answers for the container: its creator, if that starts it at once, then its supervisor. With its start time a pid names one
  /// process; a stranger's pid is not ours.
  int supervisor_pid = 0;
  std::uint64_t supervisor_start = 0;  ///< Field 22 of proc_pid_stat(5), clock ticks.
  int pid = 0;                         ///< The container's pid 1 as the host sees it.
  std::uint64_t pid_start = 0;
  int exit_code = 0;
  std::int64_t started = 0, finished = 0;
  std::string error;                   ///< Why it could not start; empty otherwise.
  std::vector<std::uint16_t> host_ports;  ///< Bound for Spec::ports, in their order; empty before the start.
  bool oom_killed = false;             ///< Its memory limit had one of its processes killed.
  bool paused = false;                 ///< Running, but frozen.
};

Json to_json(const State& state);
/// Throws InvalidInput naming the field.
State state_from_json(const Json& document);

}  // namespace sandbox::container
