#include "fuse-overlay/tree/quota.h"

#include <errno.h>

#include <algorithm>
#include <chrono>

#include "fuse-overlay/tree/overlay.h"

namespace sandbox::overlay {
namespace {

/// The kernel tells of a removed file's end after it has answered unlink(2): within microseconds, if nobody uses it.
constexpr auto kFreedSoon = std::chrono::milliseconds(100);

std::uint64_t not_negative(std::int64_t number) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
}

}  // namespace

bool Quota::fits(std::uint64_t bytes, bool object) const {
  const bool has_bytes =
      limits_.bytes == 0 || bytes == 0 || not_negative(bytes_) + reserved_bytes_ + bytes <= limits_.bytes;
  const bool has_object =
      limits_.objects == 0 || !object || not_negative(objects_) + reserved_objects_ < limits_.objects;
  return has_bytes && has_object;
}

Quota::Reservation Quota::reserve(std::uint64_t least, std::uint64_t most, bool object) {
  std::unique_lock lock(mutex_);
  const auto enough = [&] { return fits(most, object); };
  if (!enough() && nameless_ > 0) {
    freed_.wait_for(lock, kFreedSoon, [&] { return nameless_ == 0 || enough(); });
  }
  std::uint64_t bytes = most;
  if (!enough()) {
    if (!fits(least, object)) throw Failure{ENOSPC};
    const std::uint64_t used = not_negative(bytes_) + reserved_bytes_;
    bytes = limits_.bytes == 0 ? most : std::min(most, limits_.bytes - std::min(used, limits_.bytes));
  }
  reserved_bytes_ += bytes;
  reserved_objects_ += object ? 1 : 0;
  return {*this, bytes, object};
}

void Quota::give_back(std::uint64_t bytes, bool object) {
  const std::lock_guard lock(mutex_);
  reserved_bytes_ -= bytes;
  reserved_objects_ -= object ? 1 : 0;
}

void Quota::count(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
}

void Quota::count_object(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  ++objects_;
}

void Quota::note_nameless(int more) {
  const std::lock_guard lock(mutex_);
  nameless_ += more;
}

void Quota::free(std::int64_t bytes, bool was_nameless) {
  const std::lock_guard lock(mutex_);
  bytes_ -= bytes;
  --objects_;
  nameless_ -= was_nameless ? 1 : 0;
  freed_.notify_all();
}

void Quota::apply(struct statvfs& status) const {
  const std::lock_guard lock(mutex_);
  if (limits_.bytes != 0 && status.f_frsize != 0) {
    const std::uint64_t left = limits_.bytes - std::min(not_negative(bytes_), limits_.bytes);
    status.f_blocks = limits_.bytes / status.f_frsize;
    status.f_bfree = std::min<fsblkcnt_t>(status.f_bfree, left / status.f_frsize);
    status.f_bavail = std::min(status.f_bavail, status.f_bfree);
  }
  if (limits_.objects != 0) {
    const std::uint64_t left = limits_.objects - std::min(not_negative(objects_), limits_.objects);
    status.f_files = limits_.objects;
    status.f_ffree = std::min<fsfilcnt_t>(status.f_ffree, left);
    status.f_favail = std::min(status.f_favail, status.f_ffree);
  }
}

}  // namespace sandbox::overlay
