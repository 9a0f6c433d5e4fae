// State to and from JSON; see sandbox/base/json_fields.h.
#include "sandbox/container/state.h"

#include "sandbox/base/json_fields.h"

namespace sandbox::container {
namespace {

constexpr int kVersion = 1;

}  // namespace

std::span<const char* const> words_of(Status) {
  static constexpr const char* words[] = {"created", "running", "exited"};
  return words;
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
}

Json to_json(const State& state) { return write_versioned(state, kVersion); }

State state_from_json(const Json& document) { return read_versioned<State>(document, "state of the container", kVersion); }

}  // namespace sandbox::container
