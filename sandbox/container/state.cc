// State to and from JSON; see sandbox/base/json_fields.h.
#include "sandbox/container/state.h"

#include <unistd.h>

#include <algorithm>

#include "sandbox/base/json_fields.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {
namespace {

constexpr int kVersion = 4;

}  // namespace

std::span<const char* const> words_of(Status) {
  static constexpr const char* words[] = {"created", "running", "exited", "restarting"};
  return words;
}

std::span<const char* const> words_of(Health) {
  static constexpr const char* words[] = {"none", "starting", "healthy", "unhealthy"};
  return words;
}

template <class A>
void describe(A& field, Described<Endpoint> auto& endpoint) {
  field("network", endpoint.network);
  field("interface", endpoint.interface);
  field("address", endpoint.address);
  field("gateway", endpoint.gateway);
  field("prefix", endpoint.prefix);
  field("hardware_address", endpoint.hardware_address);
}

template <class A>
void describe(A& field, Described<State> auto& state) {
  field("status", state.status);
  field("supervisor_pid", state.supervisor_pid);
  field("supervisor_start", state.supervisor_start);
  field("pid", state.pid);
  field("pid_start", state.pid_start);
  field("exit_code", state.exit_code);
  field("started", state.started);
  field("finished", state.finished);
  field("error", state.error);
  field("host_ports", state.host_ports);
  field("oom_killed", state.oom_killed);
  field("paused", state.paused);
  field.since(2, "restart_count", state.restart_count);
  field.since(2, "boot", state.boot);
  field.since(2, "health", state.health);
  field.since(3, "stop_asked", state.stop_asked);
  field.since(4, "endpoints", state.endpoints);
}

void answer_for(State& state) {
  state.supervisor_pid = ::getpid();
  state.supervisor_start = process_start_time(state.supervisor_pid);
  state.boot = boot_id();
}

bool is_of_earlier_boot(const State& state) { return !state.boot.empty() && state.boot != boot_id(); }

bool is_answered_for(const State& state) {
  return state.supervisor_start != 0 && !is_of_earlier_boot(state) &&
         process_start_time(state.supervisor_pid) == state.supervisor_start;
}

std::int64_t last_sign_of_life(const std::string& directory) {
  std::int64_t newest = 0;
  for (const char* name : {"/state.json", "/log"}) {
    const auto status = sys::fstatat(AT_FDCWD, (directory + name).c_str(), AT_SYMLINK_NOFOLLOW);
    if (status) newest = std::max<std::int64_t>(newest, status->st_mtim.tv_sec);
  }
  return newest;
}

bool is_up(const State& state) { return state.status == Status::running || state.status == Status::restarting; }

Json to_json(const State& state) { return write_versioned(state, kVersion); }

State state_from_json(const Json& document) {
  return read_versioned<State>(document, "state of the container", kVersion);
}

}  // namespace sandbox::container
