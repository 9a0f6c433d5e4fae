#include "fuse-overlay/server/workers.h"

#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sandbox/base/error.h"

namespace sandbox::overlay {
namespace {

/// A request is answered on the channel that it came from, by the thread that read it.
thread_local int own_channel = -1;

ssize_t read_channel(int, void* data, std::size_t size, void*) { return ::read(own_channel, data, size); }
ssize_t write_channel(int, iovec* parts, int count, void*) { return ::writev(own_channel, parts, count); }

bool has_backlog(int channel) {
  pollfd item{channel, POLLIN, 0};
  return ::poll(&item, 1, 0) > 0 && (item.revents & POLLIN) != 0;
}

}  // namespace

Workers::Workers(std::vector<Fd> channels) : channels_(std::move(channels)) {}

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
  for (const Fd& channel : channels_) threads_.emplace_back([this, fd = channel.get()] { run(fd); });
}

void Workers::open() {
  const std::lock_guard lock(mutex_);
  wanted_ = 1;
  wanted_changed_.notify_one();
}

void Workers::wait_for_turn() {
  std::unique_lock lock(mutex_);
  ++parked_;
  wanted_changed_.wait(lock, [this] { return wanted_ > 0; });
  --parked_;
  --wanted_;
  ++reading_;
}

void Workers::leave_turn() {
  const std::lock_guard lock(mutex_);
  --reading_;
}

/// After an answer: one reader is enough.
bool Workers::may_go_on() {
  const std::lock_guard lock(mutex_);
  if (reading_ + wanted_ > 0) return false;
  ++reading_;
  return true;
}

void Workers::before_waiting() {
  const std::lock_guard lock(mutex_);
  if (reading_ + wanted_ > 0 || parked_ == 0) return;
  ++wanted_;
  wanted_changed_.notify_one();
}

void Workers::run(int channel) {
  own_channel = channel;
  fuse_buf buffer{};
  wait_for_turn();
  for (;;) {
    const int size = ::fuse_session_receive_buf(session_, &buffer);
    if (size == -EINTR || size == -ENOMEM) continue;
    // 0: the file system has been unmounted. Nothing is kept in memory that would have to be written.
    if (size <= 0) ::_exit(size < 0 ? 1 : 0);
    leave_turn();
    if (has_backlog(channel)) before_waiting();
    ::fuse_session_process_buf(session_, &buffer);
    if (!may_go_on()) wait_for_turn();
  }
}

}  // namespace sandbox::overlay
