// Digests of files that earlier builds have read, found again by what stat(2) says of a file: a large context of which
// little has changed is looked at, and not read. Runs in the process that reads the context.
//
// A file is known again when path, device, inode, size, times, mode and owner are the same. One that was changed at
// most two seconds before the reading began is not kept, as git does with its index: it could change once more within
// one tick of its file system's clock. What a process writes through a shared mapping moves the times only now and
// then; nobody who goes by them sees that.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::build {

class ContentCache {
 public:
  /// What earlier builds have kept at `file`; one that isn't whole holds nothing.
  explicit ContentCache(std::string file);

  /// "sha256:…", as it was noted.
  std::optional<std::string> find(std::string_view path, const struct stat& status);
  /// `before` is what the path was, `after` the file that was read, when that had been done.
  void note(std::string_view path, const struct stat& before, const struct stat& after, std::string_view content);
  /// Replaces the file if there is something new. Of builds that do so at once the last one counts; what is not kept is
  /// read again. What no build has used for 30 days goes, and the oldest of more than 400,000 files; so do the oldest
  /// files beside this one, of more than 32. Throws nothing.
  void keep();

 private:
  using Digits = std::array<char, 64>;  ///< Of a SHA-256.
  static Digits key_of(std::string_view path, const struct stat& status);
  struct Entry {
    Digits key, content;
    std::int64_t used;  ///< Seconds since the epoch.
  };
  std::string file_;
  timespec begun_{};
  std::vector<Entry> known_;  ///< Sorted by key.
  std::vector<Entry> noted_;
  std::uint64_t read_ = 0;  ///< Bytes of what was noted, and a block for each.
  bool stale_ = false;      ///< The file doesn't show that entries are in use.
};

}  // namespace sandbox::build
