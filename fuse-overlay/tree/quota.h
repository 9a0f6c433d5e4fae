// How much the upper layer may hold, in bytes on the disk and in objects. Any worker thread.
//
// What an operation may need is reserved before it, and what it has used is counted after it: however many run at the
// same time, there is never more on the disk than allowed. Objects without a name that somebody still uses count. The
// format's own marks don't: removing never needs room for the whiteout that it leaves.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace sandbox::overlay {

class Quota {
 public:
  /// 0: no limit.
  struct Limits {
    std::uint64_t bytes = 0, objects = 0;
  };
  /// Held for an operation that is under way; what it has used is counted beside it.
  class Reservation {
   public:
    Reservation(Quota& quota, std::uint64_t bytes, bool object) : quota_(&quota), bytes_(bytes), object_(object) {}
    Reservation(Reservation&& other) noexcept : quota_(other.quota_), bytes_(other.bytes_), object_(other.object_) {
      other.quota_ = nullptr;
    }
    ~Reservation() {
      if (quota_ != nullptr && (bytes_ != 0 || object_)) quota_->give_back(bytes_, object_);
    }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    Reservation& operator=(Reservation&&) = delete;
    std::uint64_t bytes() const { return bytes_; }

   private:
    Quota* quota_;
    std::uint64_t bytes_;
    bool object_;
  };

  explicit Quota(Limits limits) : limits_(limits) {}
  bool is_limited() const { return limits_.bytes != 0 || limits_.objects != 0; }

  /// As many of `most` bytes as there is room for, and `object` one object; throws ENOSPC when not even `least` fit.
  /// Waits a moment while what was removed is about to be freed.
  Reservation reserve(std::uint64_t least, std::uint64_t most, bool object);
  /// What an object has grown by, or shrunk.
  void count(std::int64_t bytes);
  void count_object(std::int64_t bytes);
  /// So many objects more have no name any more, and count on while they are in use.
  void note_nameless(int more);
  /// An object has gone.
  void free(std::int64_t bytes, bool was_nameless);

  /// The file system's status as far as the limits leave it.
  void apply(struct statvfs& status) const;

 private:
  bool fits(std::uint64_t bytes, bool object) const;
  void give_back(std::uint64_t bytes, bool object);

  const Limits limits_;
  mutable std::mutex mutex_;  ///< Innermost. Guards what follows.
  std::condition_variable freed_;
  std::int64_t bytes_ = 0, objects_ = 0;  ///< In use.
  std::uint64_t reserved_bytes_ = 0, reserved_objects_ = 0;
  int nameless_ = 0;
};

/// Bytes on the disk.
inline std::int64_t disk_size(const struct stat& status) { return static_cast<std::int64_t>(status.st_blocks) * 512; }

}  // namespace sandbox::overlay
