// See layer_sink.h.
#include "fuse-overlay/store/layer_sink.h"

#include <algorithm>
#include <span>
#include <system_error>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::size_t kBlock = 256U << 10;
constexpr std::size_t kMostThreads = 8;  // each has about 1 MiB; the digests in order take as long as 5 to 10 encode

std::size_t threads_for(Compression compression, std::size_t wanted) {
  if (compression == Compression::none) return 0;
  return std::min(wanted, in_any_order(compression) ? kMostThreads : 1);
}

}  // namespace

std::size_t LayerSink::processors() { return std::max(1U, std::thread::hardware_concurrency()); }

LayerSink::LayerSink(int fd, Compression compression, std::size_t most_threads)
    : fd_(fd), compression_(compression), most_threads_(threads_for(compression, most_threads)), framing_(compression) {
  next_.block.reserve(kBlock);
}

LayerSink::~LayerSink() { end_threads(); }

void LayerSink::write(const void* data, std::size_t size) {
  std::span rest(static_cast<const std::byte*>(data), size);
  while (!rest.empty()) {
    if (next_.block.size() == kBlock) hand_over();
    const auto part = rest.first(std::min(rest.size(), kBlock - next_.block.size()));
    next_.block.insert(next_.block.end(), part.begin(), part.end());
    rest = rest.subspan(part.size());
  }
}

void LayerSink::fill(std::size_t zeros) {
  static constexpr char nothing[512] = {};
  for (; zeros > 0; zeros -= std::min(zeros, sizeof nothing)) write(nothing, std::min(zeros, sizeof nothing));
}

/// To a thread, or it is packed here.
void LayerSink::hand_over() {
  const auto end = std::span<const std::byte>(next_.block).last(std::min(next_.block.size(), kHistory));
  Block before(end.begin(), end.end());
  std::unique_lock lock(mutex_);
  if (threads_.size() < most_threads_ && (threads_.empty() || taken_ < handed_)) start_thread();
  if (threads_.empty()) {
    encode(own_, next_, false);
    put_out(next_);
  } else {
    changed_.wait(lock, [this] { return handed_ - written_ < jobs_.size(); });
    if (failure_) std::rethrow_exception(failure_);
    std::swap(at(handed_++), next_);
    changed_.notify_all();
  }
  next_.before = std::move(before);
  next_.block.clear();
  next_.block.reserve(kBlock);
}

/// Where threads are out of bounds it works without.
void LayerSink::start_thread() {
  jobs_.resize(most_threads_ + 2);  // one that is being written, and one that waits
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    most_threads_ = threads_.size();
  }
}

void LayerSink::work() {
  std::unique_ptr<BlockEncoder> mine;
  std::unique_ptr<BlockEncoder>& encoder = in_any_order(compression_) ? mine : own_;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return taken_ < handed_ || ended_; });
    if (taken_ == handed_) return;
    Job& job = at(taken_++);
    const bool in_vain = failure_ != nullptr;
    lock.unlock();
    std::exception_ptr failure;
    try {
      if (!in_vain) encode(encoder, job, false);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) failure_ = failure;
    job.is_packed = true;
    write_in_order(lock);
  }
}

/// What is packed, as far as nothing before it is missing. Whoever is at it looks again before it ends.
void LayerSink::write_in_order(std::unique_lock<std::mutex>& lock) {
  if (writing_) return;
  writing_ = true;
  while (written_ < taken_ && at(written_).is_packed) {
    Job& job = at(written_);
    const bool in_vain = failure_ != nullptr;
    lock.unlock();
    std::exception_ptr failure;
    try {
      if (!in_vain) put_out(job);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) failure_ = failure;
    job.is_packed = false;
    ++written_;
    changed_.notify_all();
  }
  writing_ = false;
}

void LayerSink::encode(std::unique_ptr<BlockEncoder>& encoder, Job& job, bool last) const {
  if (!encoder) encoder = block_encoder(compression_);
  job.packed.clear();
  encoder->encode(job.before, job.block, last, job.packed);
}

void LayerSink::put_out(const Job& job) {
  if (result_.size == 0) put_out(framing_.head());
  plain_.update(job.block.data(), job.block.size());
  framing_.account(job.block);
  put_out(job.packed);
}

void LayerSink::put_out(const Block& bytes) {
  sys::write_all(fd_, bytes.data(), bytes.size()) | or_throw("writing a layer archive");
  packed_.update(bytes.data(), bytes.size());
  result_.size += bytes.size();
}

/// They work on what they have, and end.
void LayerSink::end_threads() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

LayerSink::Written LayerSink::finish() {
  end_threads();
  if (failure_) std::rethrow_exception(failure_);
  encode(own_, next_, true);
  put_out(next_);
  put_out(framing_.tail());
  result_.diff_id = plain_.finish();
  result_.digest = packed_.finish();
  return std::move(result_);
}

}  // namespace sandbox::overlay
