// Work on a stream that runs ahead of its consumer: a thread makes blocks while the consumer is busy with earlier ones.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

namespace sandbox::overlay {

class ReadAhead {
 public:
  /// Fills a block as far as it likes and tells how far; 0 at the end. Runs in the thread, whose end `stop` asks for.
  /// What it throws, next() does.
  using Produce = std::function<std::size_t(std::span<std::byte> block, const std::stop_token& stop)>;

  explicit ReadAhead(Produce produce);

  /// The next block, valid until the next call; empty at the end.
  std::span<const std::byte> next();

 private:
  static constexpr std::size_t kBlocks = 4, kBlockSize = 256U << 10;

  void run(const std::stop_token& stop);
  std::span<std::byte> block(std::uint64_t number) {
    return std::span(memory_).subspan(number % kBlocks * kBlockSize, kBlockSize);
  }

  Produce produce_;
  std::vector<std::byte> memory_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::array<std::size_t, kBlocks> sizes_{};
  std::uint64_t made_ = 0, taken_ = 0;  ///< Blocks so far.
  std::uint64_t released_ = 0;          ///< Those before it may be filled anew.
  bool ended_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  ///< The last member: it ends before the others do.
};

}  // namespace sandbox::overlay
