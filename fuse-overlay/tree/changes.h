// Whether the tree may have changed since something about it was worked out: what may change it is counted when it
// begins and when it has ended. Any worker thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace sandbox::overlay {

/// Counts what may change the tree. All of it is sequentially consistent: a state that was taken before
/// looking at the tree, and is the same afterwards, says that nothing of what was seen has changed in between.
class Changes {
 public:
  /// Alive from before a change until after it.
  class Guard {
   public:
    explicit Guard(Changes& changes) : changes_(changes) { ++changes_.begun_; }
    ~Guard() { ++changes_.ended_; }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Changes& changes_;
  };
  using State = std::uint64_t;

  /// None while a change is being made.
  std::optional<State> settled() const {
    const State ended = ended_;  // first: what begins in between must not look ended
    const State begun = begun_;
    return begun == ended ? std::optional(begun) : std::nullopt;
  }
  /// Whether no change has begun since.
  bool is_still(State state) const { return begun_ == state; }

 private:
  std::atomic<State> begun_ = 0, ended_ = 0;
};

}  // namespace sandbox::overlay
