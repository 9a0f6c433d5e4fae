// How many requests of each kind the kernel has sent: what the caches save, told apart from a machine's mood.
// Any worker thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace sandbox::overlay {

class RequestCounts {
 public:
  /// `opcode`: of linux/fuse.h.
  void count(std::uint32_t opcode) noexcept {
    counts_[opcode < kKinds ? opcode : 0].fetch_add(1, std::memory_order_relaxed);
  }
  /// "lookup 12, getattr 3", in the order of their numbers; kinds that did not occur are left out.
  std::string text() const;

 private:
  static constexpr std::uint32_t kKinds = 64;
  std::array<std::atomic<std::uint64_t>, kKinds> counts_{};
};

}  // namespace sandbox::overlay
