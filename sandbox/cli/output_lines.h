// The output of a build's step while it comes.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace sandbox::cli {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Output cut into lines; bounded, however long a line gets.
class OutputLines {
 public:
  template <class Show>
  void add(std::string_view text, Show show) {
    for (const char c : text) {
      if (c != '\n' && rest_.size() < kLongest) {
        rest_ += c;
        continue;
      }
      show(rest_);
      rest_.clear();
      if (c != '\n') rest_ += c;
    }
  }
  template <class Show>
  void finish(Show show) {
    if (!rest_.empty()) show(std::exchange(rest_, {}));
  }

 private:
  static constexpr std::size_t kLongest = 16U << 10;
  std::string rest_;
};

}  // namespace sandbox::cli
