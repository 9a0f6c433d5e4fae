// Where the milliseconds of a start go: laps of a monotonic clock (clock_gettime(2), no system call), for `--timings`.
// Any process; nothing is formatted unless asked for.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandbox {

class Stopwatch {
 public:
  Stopwatch() { laps_.reserve(16); }
  /// Ends the current lap, which was `what`.
  void lap(const char* what) {
    const auto now = Clock::now();
    laps_.emplace_back(what, now - last_);
    last_ = now;
  }
  /// A line per lap: "<who>: <what> <milliseconds>".
  std::string text(std::string_view who) const {
    std::string lines;
    for (const auto& [what, time] : laps_) {
      lines +=
          fmt::format("{:11} {:24} {:8.2f} ms\n", who, what, std::chrono::duration<double, std::milli>(time).count());
    }
    return lines;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  std::vector<std::pair<const char*, Clock::duration>> laps_;
};

}  // namespace sandbox
