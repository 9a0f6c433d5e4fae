// What has become of a container: state.json in its directory, replaced atomically by its supervisor.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sandbox/base/json_fwd.h"

namespace sandbox::container {

enum class Status { created, running, exited, restarting };
enum class Health { none, starting, healthy, unhealthy };

/// Its end of a user-defined network.
struct Endpoint {
  std::string network;  ///< The network's ID.
  std::string interface;
  std::string address, gateway;  ///< IPv4; no gateway: it leads nowhere else.
  int prefix = 0;
  std::string hardware_address;
};

struct State {
  Status status = Status::created;
  /// Who answers for the container: its creator, if that starts it at once, then its supervisor. With its start time a
  /// pid names one process; a stranger's pid is not ours.
  int supervisor_pid = 0;
  std::uint64_t supervisor_start = 0;  ///< Field 22 of proc_pid_stat(5), clock ticks.
  int pid = 0;                         ///< The container's pid 1 as the host sees it.
  std::uint64_t pid_start = 0;
  int exit_code = 0;
  std::int64_t started = 0, finished = 0;  ///< Seconds since the epoch.
  std::string error;                   ///< Why it could not start; empty otherwise.
  std::vector<std::uint16_t> host_ports;  ///< Bound for Spec::ports, in their order; empty before the start.
  bool oom_killed = false;             ///< Its memory limit had one of its processes killed.
  bool paused = false;                 ///< Running, but frozen.
  int restart_count = 0;               ///< Since somebody has started it.
  Health health = Health::none;        ///< By its last checks.
  bool stop_asked = false;             ///< Somebody has had it end, so a restarted machine doesn't start it.
  std::vector<Endpoint> endpoints;     ///< Of the last run, in the order of Spec::attachments.
  std::string boot;                    ///< boot_id (random(4)) of the machine when it was started; empty: not known.
};

/// The words of state.json, which are Docker's.
std::span<const char* const> words_of(Health);

/// It runs, or will again: its supervisor answers for it.
bool is_up(const State& state);
/// When the container in `directory` was last seen to live: the newest of what its supervisor writes there. Seconds
/// since the epoch.
std::int64_t last_sign_of_life(const std::string& directory);
/// This process answers for the container from now on.
void answer_for(State& state);
/// Whether the process that answers for it lives. Numbers of processes mean nothing after a restart of the machine.
bool is_answered_for(const State& state);
/// The machine has been restarted since the state was written.
bool is_of_earlier_boot(const State& state);

Json to_json(const State& state);
/// Throws InvalidInput naming the field.
State state_from_json(const Json& document);

}  // namespace sandbox::container
