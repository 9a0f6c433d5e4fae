// Whole files: bounded reads, atomic replacement, locks, trees.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/fd.h"
#include "sandbox/base/error.h"

namespace sandbox {

/// Reads `path` below `dir` (AT_FDCWD: any path). Throws SysError, or InvalidInput beyond `limit` bytes.
std::string read_file_at(int dir, const std::string& path, std::size_t limit = 4U << 20);
std::string read_file(const std::string& path, std::size_t limit = 4U << 20);
/// What is left in an open file or pipe; `what` is its name for errors, with quotation marks if it is a path. Throws SysError, InvalidInput beyond `limit` bytes.
std::string read_to_end(int fd, std::string_view what, std::size_t limit = 4U << 20);

/// Replaces `path` so that a reader, and a machine after a power cut, sees the old or the new
/// content whole: temporary file beside it, fsync, rename, fsync of the directory. `durable =
/// false` leaves out both fsyncs (state that a reboot makes meaningless).
void write_file_atomic(const std::string& path, std::string_view content, bool durable = true,
                       unsigned mode = 0600);

/// mkdir -p with mode 0700. Throws SysError.
void make_directories(const std::string& path);
bool path_exists(const std::string& path);

/// Removes the tree at `path` by descriptor, never following a symbolic link and making
/// unreadable directories of the caller readable. Absent is success.
void remove_tree(const std::string& path);

/// An exclusive OFD lock (fcntl(2), F_OFD_SETLKW) on a file that is created when absent. The
/// kernel frees it when the holder dies.
class FileLock {
 public:
  explicit FileLock(const std::string& path);
  /// None when another process has the lock.
  static std::optional<FileLock> if_free(const std::string& path);

 private:
  FileLock() = default;
  bool lock(const std::string& path, int command);
  Fd fd_;
};

}  // namespace sandbox
