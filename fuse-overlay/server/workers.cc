#include "fuse-overlay/server/workers.h"

#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
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
  const Workers::WorkAhead* work_ahead = nullptr;
  bool looks_around = false;  ///< Requests come in quick succession.
  bool was_waiting = false;   ///< The last one was there already.
  int waiting_in_a_row = 0;
  bool gave_notice = false;  ///< Of a long answer.
};
thread_local Channel own;

/// What read(2) gives at once; EAGAIN when nothing is there. Precondition: the channel does not block.
ssize_t read_waiting(void* data, std::size_t size) { return ::read(own.fd, data, size); }

/// Waits for a request. It sleeps in read(2) and not in poll(2): of those who read the kernel wakes one for each
/// request, of those who poll all (fuse_dev_do_read and fuse_dev_poll in fs/fuse/dev.c).
ssize_t read_sleeping(void* data, std::size_t size) {
  (void)::fcntl(own.fd, F_SETFL, O_RDWR);
  const ssize_t got = ::read(own.fd, data, size);
  const int error = errno;
  (void)::fcntl(own.fd, F_SETFL, O_RDWR | O_NONBLOCK);
  errno = error;
  return got;
}

ssize_t read_channel(int, void* data, std::size_t size, void*) {
  ssize_t got = read_waiting(data, size);
  own.was_waiting = got >= 0 || errno != EAGAIN;
  if (own.was_waiting) return got;
  auto begin = Clock::now();
  const auto is_soon = [&begin] { return Clock::now() - begin < kLookAround; };
  while (own.looks_around && is_soon()) {
    if ((*own.work_ahead)()) {
      begin = Clock::now();
    } else {
      ::sched_yield();
    }
    got = read_waiting(data, size);
    if (got >= 0 || errno != EAGAIN) return got;
  }
  got = read_sleeping(data, size);
  const int error = errno;
  own.looks_around = is_soon();
  errno = error;
  return got;
}

ssize_t write_channel(int, iovec* parts, int count, void*) {
  wire::amend_answer(parts, count);
  own.answers->fetch_add(1, std::memory_order_release);
  return ::writev(own.fd, parts, count);
}

/// An answer that lies in a pipe.
ssize_t splice_channel(int pipe, off_t*, int, off_t*, std::size_t size, unsigned flags, void*) {
  own.answers->fetch_add(1, std::memory_order_release);
  return ::splice(pipe, nullptr, own.fd, nullptr, size, flags);
}

}  // namespace

Workers::Workers(std::vector<Fd> channels, int processors, WorkAhead work_ahead)
    : channels_(std::move(channels)), processors_(processors), work_ahead_(std::move(work_ahead)) {}

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
  io.splice_send = splice_channel;
  const int status = ::fuse_session_custom_io(session_, &io, channels_.front().get());
  if (status < 0) throw SysError(Errno{-status}, "connecting libfuse with its device");
  for (const Fd& channel : channels_) {
    threads_.emplace_back([this, fd = channel.get()] { run(fd); });
  }
  threads_.emplace_back([this] { watch(); });
}

void Workers::open() { want_more(1); }

/// Precondition: mutex_ is held.
void Workers::apply_limit() {
  limit_ = std::min(wanted_ + waiting_, static_cast<int>(channels_.size()));
  for (; active_ < limit_; ++active_) {
    ++joining_;
    may_join_.notify_one();
  }
}

void Workers::want_more(int most) {
  const std::lock_guard lock(mutex_);
  if (wanted_ >= most) return;
  ++wanted_;
  apply_limit();
}

void Workers::want_less() {
  const std::lock_guard lock(mutex_);
  if (wanted_ <= 1) return;
  --wanted_;
  apply_limit();
}

void Workers::before_waiting() {
  if (std::exchange(own.gave_notice, true)) return;
  const std::lock_guard lock(mutex_);
  ++waiting_;
  apply_limit();
}

void Workers::after_waiting() {
  const std::lock_guard lock(mutex_);
  --waiting_;
  apply_limit();
}

void Workers::join_or_park() {
  const bool has_joined = own.fd >= 0;
  // Those who are active may all be busy with something long: somebody has to read.
  const auto stays = [&] { return has_joined && (active_ <= limit_ || reading_ == 0); };
  if (stays()) return;
  std::unique_lock lock(mutex_);
  if (stays()) return;
  if (has_joined) --active_;
  may_join_.wait(lock, [this] { return joining_ > 0; });
  --joining_;
}

void Workers::note_request(bool was_waiting) {
  ++requests_;  // before watched_ is looked at; see the header
  own.waiting_in_a_row = was_waiting ? own.waiting_in_a_row + 1 : 0;
  if (own.waiting_in_a_row >= kCrowd) {
    own.waiting_in_a_row = 0;
    crowded_ = true;
    if (limit_ < processors_) want_more(processors_);
  }
  if (watched_) return;
  const std::lock_guard lock(mutex_);
  watched_ = true;
  may_watch_.notify_one();
}

void Workers::run(int channel) {
  join_or_park();
  own.fd = channel;
  own.answers = &answers_;
  own.work_ahead = &work_ahead_;
  (void)::fcntl(channel, F_SETFL, O_RDWR | O_NONBLOCK);
  fuse_buf buffer{};
  for (;;) {
    ++reading_;
    const int size = ::fuse_session_receive_buf(session_, &buffer);
    --reading_;
    (void)answers_.load(std::memory_order_acquire);
    // EAGAIN: another thread made this channel non-blocking, where the channels are duplicates of one description.
    if (size == -EINTR || size == -EAGAIN || size == -ENOMEM) continue;
    // 0: the file system has been unmounted. Nothing is kept in memory that would have to be written.
    if (size <= 0) ::_exit(size < 0 ? 1 : 0);
    counts_.count(wire::begin(buffer.mem, static_cast<std::size_t>(size)));
    note_request(own.was_waiting);
    ::fuse_session_process_buf(session_, &buffer);
    if (std::exchange(own.gave_notice, false)) after_waiting();
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
    if (stands && reading_ == 0) want_more(static_cast<int>(channels_.size()));
    if (crowded_.exchange(false) || ++quiet < kQuietTicks) continue;
    quiet = 0;
    want_less();
    if (!stands || reading_ == 0 || limit_ > 1) continue;
    watched_ = false;  // before requests_ is looked at; see the header
    if (requests_ != now) watched_ = true;
  }
}

}  // namespace sandbox::overlay
