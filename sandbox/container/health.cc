// See health.h.
#include "sandbox/container/health.h"

#include "sandbox/base/json_fields.h"

namespace sandbox::container {
namespace {

constexpr int kVersion = 1;

}  // namespace

template <class A>
void describe(A& field, Described<HealthResult> auto& result) {
  field("start", result.start);
  field("end", result.end);
  field("exit_code", result.exit_code);
  field("output", result.output);
}

template <class A>
void describe(A& field, Described<HealthRecord> auto& record) {
  field("failing_streak", record.failing_streak);
  field("log", record.log);
}

Json to_json(const HealthRecord& record) { return write_versioned(record, kVersion); }

HealthRecord health_from_json(const Json& document) {
  return read_versioned<HealthRecord>(document, "health of the container", kVersion);
}

HealthWatch::HealthWatch(const HealthPlan& plan, Clock::time_point started)
    : plan_(plan), started_(started), due_(after(started)) {}

bool HealthWatch::in_start_period(Clock::time_point when) const {
  return when - started_ < std::chrono::nanoseconds(plan_.start_period);
}

HealthWatch::Clock::time_point HealthWatch::after(Clock::time_point when) const {
  const bool often = status_ == Health::starting && in_start_period(when);
  return when + std::chrono::nanoseconds(often ? plan_.start_interval : plan_.interval);
}

void HealthWatch::checked(Clock::time_point began, Clock::time_point ended, int exit_code) {
  if (exit_code == 0) {
    streak_ = 0;
    status_ = Health::healthy;
  } else if (status_ != Health::starting || !in_start_period(began)) {
    if (++streak_ >= plan_.retries) status_ = Health::unhealthy;
  }
  due_ = after(ended);
}

}  // namespace sandbox::container
