// See actions.h. The words are moby's (daemon/*.go).
#include "sandbox/container/actions.h"

#include "sandbox/base/error.h"

namespace sandbox::container {
namespace {

constexpr const char* kPossible = nullptr;
constexpr const char* kNotRunning = "container {} is not running";
constexpr const char* kNotPaused = "container {} is not paused";
constexpr const char* kRestarting = "container {} is restarting, wait until the container is running";
constexpr const char* kRuns = "container {} is already running";
constexpr const char* kNoAttach = "you cannot attach to a stopped container, start it first";

constexpr std::size_t kConditions = 5;
struct Row {
  Action action;
  const char* obstacles[kConditions];  ///< In the order of Condition.
};

constexpr Row kTable[] = {
    //               created       running     paused                                                    restarting   exited
    {Action::start, {kPossible, kRuns, "cannot start a paused container, try unpause instead", kRuns, kPossible}},
    {Action::attach,
     {kNoAttach, kPossible, "you cannot attach to a paused container, unpause it first",
      "you cannot attach to a restarting container, wait until it is running", kNoAttach}},
    {Action::exec,
     {kNotRunning, kPossible, "container {} is paused, unpause the container before exec", kRestarting, kNotRunning}},
    {Action::pause, {kNotRunning, kPossible, "container {} is already paused", kRestarting, kNotRunning}},
    {Action::unpause, {kNotPaused, kNotPaused, kPossible, kNotPaused, kNotPaused}},
    {Action::kill, {kNotRunning, kPossible, kPossible, kPossible, kNotRunning}},
    {Action::top, {kNotRunning, kPossible, kPossible, kRestarting, kNotRunning}},
    {Action::remove,
     {kPossible, "container is running: stop the container before removing or force remove",
      "container is paused and must be unpaused first",
      "container is restarting: stop the container before removing or force remove", kPossible}},
};

}  // namespace

Condition condition_of(const State& state) {
  switch (state.status) {
    case Status::created: return Condition::created;
    case Status::running: return state.paused ? Condition::paused : Condition::running;
    case Status::restarting: return Condition::restarting;
    case Status::exited: break;
  }
  return Condition::exited;
}

const char* obstacle(Action action, Condition condition) {
  for (const Row& row : kTable) {
    if (row.action == action) return row.obstacles[static_cast<std::size_t>(condition)];
  }
  return kPossible;
}

void require_possible(Action action, const State& state, const std::string& name) {
  const char* reason = obstacle(action, condition_of(state));
  if (reason != nullptr) throw Conflict(fmt::format(fmt::runtime(reason), name));
}

}  // namespace sandbox::container
