// Owners that the disk doesn't show. Where a container's user namespace maps one id, all that it writes belongs to that
// one; the owner that a process has given an object is recorded instead (sandbox/ownership), and read here for the
// layer that is made of it.
//
// A regular file or a directory has its record as an attribute, so that copy-up, rename and hard links carry it along,
// in either storage driver. The kernel lets no user put attributes on symbolic links, fifos and sockets (xattr(7)):
// their records are lines of a file beside the upper directory, by inode and time of birth.
//
// Anything a container has access to may hold what it likes, these records too: they are about its own files alone.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

namespace sandbox::overlay {

/// The attribute of containers/storage, in its format: "UID:GID:MODE[:TYPE]", mode in octal, type one of file, dir,
/// symlink, pipe, socket, char-MAJOR-MINOR, block-MAJOR-MINOR.
inline constexpr const char* kOwnerAttribute = "user.containers.override_stat";

struct OwnerRecord {
  std::uint32_t uid = 0, gid = 0;
  /// Type and permission bits when it was recorded. What the disk has now is newer, but for the type of a device.
  std::uint32_t mode = 0;
  unsigned major = 0, minor = 0;  ///< Of a device, whose place on the disk an empty file holds.

  bool operator==(const OwnerRecord&) const = default;
};

std::string format_owner_record(const OwnerRecord& record);
/// None for what is no such record. Without a type, or without a mode's leading zero, as older tools wrote it, it is
/// one.
std::optional<OwnerRecord> parse_owner_record(std::string_view text);

/// The owner in another attribute, that of umoci and PRoot: a message of protocol buffers whose fields 1 and 2 are the
/// numbers, each 0 where it is missing. It says nothing about the mode.
inline constexpr const char* kRootlessAttribute = "user.rootlesscontainers";
struct RootlessOwner {
  std::uint32_t uid = 0, gid = 0;
  bool operator==(const RootlessOwner&) const = default;
};
/// None for what is no such message. Fields of other numbers are passed over.
std::optional<RootlessOwner> parse_rootless_owner(std::string_view bytes);
/// That at `path`, through symbolic links.
std::optional<RootlessOwner> rootless_attribute(const char* path);

/// What the attribute at `path` says, through symbolic links. Errors: EOPNOTSUPP: this file system has no such
/// attributes.
Result<std::optional<OwnerRecord>> owner_attribute(const char* path);

/// The file for what holds no attributes. One process writes it, while others may read.
class OwnerFile {
 public:
  /// Reads what is there; an absent file, or none (-1), holds nothing. Borrows `fd`.
  explicit OwnerFile(int fd);
  bool is_empty() const { return records_.empty(); }

  /// `status`: of the object in the upper directory, with STATX_INO and STATX_BTIME.
  std::optional<OwnerRecord> find(const struct statx& status) const;
  /// Appends it to the file, which was opened for that (O_APPEND). Throws SysError; ENOSPC beyond a bound that no
  /// honest container reaches.
  void record(const struct statx& status, const OwnerRecord& record);

 private:
  struct Key {
    std::uint64_t inode = 0;
    std::int64_t birth = 0;  ///< Nanoseconds; 0 where the file system knows none.
    auto operator<=>(const Key&) const = default;
  };
  static Key key_of(const struct statx& status);
  void read_line(std::string_view line);

  int fd_;
  std::uint64_t lines_ = 0;  ///< In the file; the last one of an object counts.
  std::map<Key, OwnerRecord> records_;
};

/// The name of that file, beside the upper directory.
inline constexpr const char* kOwnerFile = "owners";

/// The records of an upper directory, for who reads it.
class RecordedOwners {
 public:
  /// `upper`: a container's upper directory, with the file beside it. Throws SysError.
  explicit RecordedOwners(const std::string& upper);

  /// What is recorded of the object `name` in the open directory `directory` of the upper tree ("." for itself; with
  /// "" it is any object of it, opened O_PATH). None:
  /// nobody has changed its owner since it was made, or copied up from a layer, whose record counts then.
  std::optional<OwnerRecord> find(int directory, const char* name) const;

 private:
  Fd fd_;
  OwnerFile file_;
};

}  // namespace sandbox::overlay
