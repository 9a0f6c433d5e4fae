#include "fuse-overlay/server/workers.h"

#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include <chrono>

#include "fuse-overlay/server/wire.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

using Clock = std::chrono::steady_clock;

/// As long as it takes to wake a thread on another processor, or a little longer.
constexpr auto kLookAround = std::chrono::microseconds(50);
constexpr auto kTick = std::chrono::milliseconds(2);
constexpr int kCrowd = 8;        ///< So many requests in a row that were waiting already.
constexpr int kQuietTicks = 16;  ///< Until one thread less is enough.

/// A request is answered on the channel that it came from, by the thread that read it.
struct Channel {
  int fd = -1;
  std::atomic<std::uint64_t>* answers = nullptr;
  bool looks_around = false;  ///< Requests come in quick succession.
  bool was_waiting = false;   ///< The last one was there already.
  int waiting_in_a_row = 0;
  bool gave_notice = false;  ///< Of a long answer.
};
thread_local Channel own;

ssize_t read_channel(int, void* data, std::size_t size, void*) {
  const ssize_t at_once = ::read(own.fd, data, size);
  own.was_waiting = at_once >= 0 || errno != EAGAIN;
  if (own.was_waiting) return at_once;
  const auto begin = Clock::now();
  for (;;) {
    const bool soon = Clock::now() - begin < kLookAround;
    if (soon && own.looks_around) {
      ::sched_yield();
    } else {
      pollfd item{own.fd, POLLIN, 0};
      (void)::poll(&item, 1, -1);
    }
    const ssize_t got = ::read(own.fd, data, size);
    if (got < 0 && errno == EAGAIN) continue;
    const int error = errno;
    own.looks_around = Clock::now() - begin < kLookAround;
    errno = error;
    return got;
  }
}

ssize_t write_channel(int, iovec* parts, int count, void*) {
  wire::amend_answer(parts, count);
  own.answers->fetch_add(1, std::memory_order_release);
  return ::writev(own.fd, parts, count);
}

}  // namespace

Workers::Workers(std::vector<Fd> channels, int processors) : channels_(std::move(channels)), processors_(processors) {}

// The threads end with the process: one of them may wait in the kernel for a request that never comes.
Workers::~Workers() {
  for (std::thread& thread : threads_) thread.detach();
}

void Workers::start(const fuse_lowlevel_ops& operations, void* user_data) {
  ::fuse_set_log_func([](fuse_log_level, const char*, va_list) {});
  char name[] = "sandbox";
  char* words[] = {name, nullptr};
  fuse_args arguments FUSE_ARGS_INIT(1, words);
  session_ = ::fuse_session_new(&arguments, &operations, sizeof operations, user_data);
  if (session_ == nullptr) throw Error("libfuse refused the overlay's session");
  fuse_custom_io io{};
  io.read = read_channel;
  io.writev = write_channel;
  const int status = ::fuse_session_custom_io(session_, &io, channels_.front().get());
  if (status < 0) throw SysError(Errno{-status}, "connecting libfuse with its device");
  for (const Fd& channel : channels_) {
    sys::set_nonblocking(channel.get(), true) | or_throw("preparing the FUSE device");
    threads_.emplace_back([this, fd = channel.get()] { run(fd); });
  }
  threads_.emplace_back([this] { watch(); });
}

void Workers::open() { raise_limit(1); }

void Workers::raise_limit(int most) {
  const std::lock_guard lock(mutex_);
  if (limit_ >= std::min(most, static_cast<int>(channels_.size()))) return;
  ++limit_;
  if (active_ >= limit_) return;
  ++active_;
  ++joining_;
  may_join_.notify_one();
}

void Workers::lower_limit() {
  const std::lock_guard lock(mutex_);
  if (limit_ > 1) --limit_;
}

void Workers::join_or_park() {
  if (active_.load(std::memory_order_relaxed) <= limit_.load(std::memory_order_relaxed) && own.fd >= 0) return;
  std::unique_lock lock(mutex_);
  if (own.fd >= 0) {
    if (active_ <= limit_) return;
    --active_;
  }
  may_join_.wait(lock, [this] { return joining_ > 0; });
  --joining_;
}

void Workers::before_waiting() {
  if (std::exchange(own.gave_notice, true)) return;
  raise_limit(limit_ + 1);
}

void Workers::note_request(bool was_waiting) {
  requests_.fetch_add(1, std::memory_order_relaxed);
  own.waiting_in_a_row = was_waiting ? own.waiting_in_a_row + 1 : 0;
  if (own.waiting_in_a_row >= kCrowd) {
    own.waiting_in_a_row = 0;
    crowded_.store(true, std::memory_order_relaxed);
    if (limit_.load(std::memory_order_relaxed) < processors_) raise_limit(processors_);
  }
  if (watched_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  watched_ = true;
  may_watch_.notify_one();
}

void Workers::run(int channel) {
  join_or_park();
  own.fd = channel;
  own.answers = &answers_;
  fuse_buf buffer{};
  for (;;) {
    ++reading_;
    const int size = ::fuse_session_receive_buf(session_, &buffer);
    --reading_;
    (void)answers_.load(std::memory_order_acquire);
    if (size == -EINTR || size == -ENOMEM) continue;
    // 0: the file system has been unmounted. Nothing is kept in memory that would have to be written.
    if (size <= 0) ::_exit(size < 0 ? 1 : 0);
    counts_.count(wire::begin(buffer.mem, static_cast<std::size_t>(size)));
    note_request(own.was_waiting);
    ::fuse_session_process_buf(session_, &buffer);
    if (std::exchange(own.gave_notice, false)) lower_limit();
    join_or_park();
  }
}

/// Sleeps while no requests come.
void Workers::watch() {
  std::uint64_t before = 0;
  int quiet = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      may_watch_.wait(lock, [this] { return watched_.load(); });
    }
    std::this_thread::sleep_for(kTick);
    const std::uint64_t now = requests_;
    const bool stands = now == std::exchange(before, now);
    if (stands && reading_ == 0) raise_limit(limit_ + 1);
    if (crowded_.exchange(false) || ++quiet < kQuietTicks) continue;
    quiet = 0;
    lower_limit();
    if (stands && reading_ > 0 && limit_ == 1) watched_ = false;
  }
}

}  // namespace sandbox::overlay
