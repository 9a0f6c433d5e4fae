// Whether a container is healthy: what HEALTHCHECK and --health-* ask for, and what results of checks come to (moby's
// daemon/health.go). Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "sandbox/container/spec.h"
#include "sandbox/container/state.h"

namespace sandbox::container {

inline constexpr std::size_t health_output_limit = 4096;  ///< Bytes that are kept of what a check writes.
inline constexpr std::size_t health_log_limit = 5;        ///< Checks that are kept.

/// When a container's checks are due, and what they come to.
class HealthWatch {
 public:
  using Clock = std::chrono::steady_clock;

  /// Precondition: the plan has a test.
  HealthWatch(const HealthPlan& plan, Clock::time_point started);

  Clock::time_point due() const { return due_; }
  std::chrono::nanoseconds timeout() const { return std::chrono::nanoseconds(plan_.timeout); }
  /// A check that began at `began` has ended with this status.
  void checked(Clock::time_point began, Clock::time_point ended, int exit_code);

  Health status() const { return status_; }
  int failing_streak() const { return streak_; }

 private:
  bool in_start_period(Clock::time_point when) const;
  Clock::time_point after(Clock::time_point when) const;

  HealthPlan plan_;
  Health status_ = Health::starting;
  int streak_ = 0;
  Clock::time_point started_, due_;
};

/// One of the last checks, for `inspect`: <container>/health.json.
struct HealthResult {
  std::string start, end;  ///< RFC 3339, with nanoseconds.
  int exit_code = 0;       ///< -1: it took too long, or did not start.
  std::string output;
};

struct HealthRecord {
  int failing_streak = 0;
  std::vector<HealthResult> log;  ///< Oldest first, at most health_log_limit.
};
Json to_json(const HealthRecord& record);
/// Throws InvalidInput naming the field.
HealthRecord health_from_json(const Json& document);

}  // namespace sandbox::container
