// See restart_policy.h.
#include "sandbox/container/restart_policy.h"

#include <algorithm>

namespace sandbox::container {
namespace {

constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{60'000};
constexpr std::chrono::seconds kGoodRun{10};  // after which the pauses begin anew

bool wants(const RestartPolicy& policy, int exit_code, int count) {
  switch (policy.when) {
    case RestartWhen::no:
      return false;
    case RestartWhen::on_failure:
      return exit_code != 0 && (policy.most == 0 || count < policy.most);
    case RestartWhen::always:
    case RestartWhen::unless_stopped:
      return true;
  }
  return false;
}

}  // namespace

std::optional<std::chrono::milliseconds> Restarts::after(const RestartPolicy& policy, int exit_code,
                                                         std::chrono::milliseconds ran, bool stopped) {
  if (stopped || !wants(policy, exit_code, count_)) return {};
  if (ran >= kGoodRun) pause_ = {};
  pause_ = pause_.count() == 0 ? kFirstPause : std::min(pause_ * 2, kLongestPause);
  ++count_;
  return pause_;
}

bool should_start_on_boot(const RestartPolicy& policy, const State& state) {
  if (is_up(state) || state.started == 0) return false;
  if (policy.when == RestartWhen::unless_stopped) return !state.stop_asked;
  return policy.when == RestartWhen::always;
}

}  // namespace sandbox::container
