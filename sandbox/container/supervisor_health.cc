// The supervisor's checks of its container's health: a process in there now and then, whose status tells.
#include <signal.h>
#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/container/container_events.h"
#include "sandbox/container/supervising.h"
#include "userns/launch.h"

namespace sandbox::container {
namespace {

std::string seconds_text(std::chrono::nanoseconds time) {
  return fmt::format("{}s", std::chrono::duration<double>(time).count());
}

}  // namespace

/// When there is something to do about checks, if nothing else happens.
std::optional<Clock::time_point> Supervisor::health_wake() const {
  if (check_) return check_->deadline;
  if (!health_ || state_.paused) return {};
  return health_->due();
}

void Supervisor::tend_health(Clock::time_point now) {
  if (main_->exited()) return stop_checks();
  if (!check_) {
    if (!state_.paused && now >= health_->due()) start_check(now);
    return;
  }
  Process& process = *check_->process;
  if (process.finished(now)) return end_check(now, check_->too_long ? -1 : process.exit_code());
  if (now < check_->deadline || process.exited()) return;
  check_->too_long = true;
  check_->result.output = fmt::format("Health check exceeded timeout ({})", seconds_text(health_->timeout()));
  process.signal(SIGKILL);
  check_->deadline = now + std::chrono::seconds(1);  // it dies when the kernel gets to it
}

void Supervisor::start_check(Clock::time_point now) {
  check_.emplace(Check{.process = {}, .began = now, .deadline = now + health_->timeout(), .result = {}});
  check_->result.start = log_time_now();
  try {
    Stdio stdio = make_stdio(false);
    userns::ProcessPlan process = container_.spec.plan.process;
    process.argv = container_.spec.health.argv;
    process.terminal = false;
    process.init = false;
    auto launched = join(process, stdio);
    launched.start(take_listener(process));
    check_->process = std::make_unique<Process>(std::move(launched), std::move(stdio));
  } catch (const Error& error) {
    check_->result.output = error.what();
    end_check(Clock::now(), -1);
  }
}

void Supervisor::read_check(Stream stream) {
  check_->process->read(stream, [&](std::string_view data) {
    std::string& output = check_->result.output;
    if (!check_->too_long && output.size() < health_output_limit) {
      output += data.substr(0, health_output_limit - output.size());
    }
  });
}

void Supervisor::end_check(Clock::time_point now, int exit_code) {
  health_->checked(check_->began, now, exit_code);
  HealthResult result = std::move(check_->result);
  check_.reset();
  result.end = log_time_now();
  result.exit_code = exit_code;
  checks_.failing_streak = health_->failing_streak();
  checks_.log.push_back(std::move(result));
  if (checks_.log.size() > health_log_limit) checks_.log.erase(checks_.log.begin());
  const bool changed = state_.health != health_->status();
  state_.health = health_->status();
  try {
    write_file_atomic(health_path(container_), to_json(checks_).dump(-1, ' ', false, Json::error_handler_t::replace),
                      false);
    if (changed) ContainerStore(places_).write_state(container_, state_);
  } catch (const Error&) {
    // A full disk: what is written next tells it, too.
  }
  const char* word = words_of(state_.health)[static_cast<std::size_t>(state_.health)];
  if (changed) record_container_event(places_, container_.spec, fmt::format("health_status: {}", word));
}

/// A check that is running comes to nothing.
void Supervisor::drop_check() {
  if (check_) check_->process->signal(SIGKILL);
  check_.reset();
}

void Supervisor::stop_checks() {
  drop_check();
  health_.reset();
}

}  // namespace sandbox::container
