// See read_ahead.h. There is one producer and one consumer, so that never both wait.
#include "fuse-overlay/store/read_ahead.h"

#include <utility>

namespace sandbox::overlay {

ReadAhead::ReadAhead(Produce produce)
    : produce_(std::move(produce)),
      memory_(kBlocks * kBlockSize),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void ReadAhead::run(const std::stop_token& stop) {
  for (bool more = true; more;) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return made_ - released_ < kBlocks; })) return;
    }
    std::size_t size = 0;
    std::exception_ptr error;
    try {
      size = produce_(block(made_), stop);
    } catch (...) {
      error = std::current_exception();
    }
    more = size > 0;
    {
      const std::scoped_lock lock(mutex_);
      if (more) sizes_[made_++ % kBlocks] = size;
      ended_ = !more;
      error_ = error;
    }
    changed_.notify_one();
  }
}

std::span<const std::byte> ReadAhead::next() {
  std::unique_lock lock(mutex_);
  released_ = taken_;
  changed_.notify_one();
  changed_.wait(lock, [&] { return made_ > taken_ || ended_; });
  if (made_ > taken_) {
    const std::uint64_t number = taken_++;
    return block(number).first(sizes_[number % kBlocks]);
  }
  if (error_) std::rethrow_exception(error_);
  return {};
}

}  // namespace sandbox::overlay
