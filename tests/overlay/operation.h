// One file operation as plain data: made at random, written as a line of text, read again.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace sandbox::overlay::test {

enum class Kind {
  open,
  close,
  pread,
  pwrite,
  append,
  ftruncate,
  truncate,
  fallocate,
  seek,
  fstat,
  stat,
  fchmod,
  chmod,
  chown,
  futimens,
  utimens,
  map_write,
  map_read,
  copy_range,
  setxattr,
  fsetxattr,
  getxattr,
  removexattr,
  listxattr,
  link,
  link_open,
  symlink,
  readlink,
  rename,
  unlink,
  rmdir,
  mkdir,
  mknod,
  list,
  create_at,
  stat_at,
  list_at,
  fsync,
  access,
  remove_tree
};
inline constexpr int kKinds = static_cast<int>(Kind::remove_tree) + 1;

/// Of the descriptors that a script has, a slot is one. Paths are relative to the root of the tree.
struct Operation {
  Kind kind{};
  std::string path, other;  ///< `other`: the second path, a name in a directory, or an attribute's.
  int slot = 0, other_slot = 0;
  long offset = 0, size = 0, other_offset = 0;
  int flags = 0;
  mode_t mode = 0;
};

using Script = std::vector<Operation>;

/// "rename path=a/b other=c flags=1": members that are empty or 0 are left out, a name of 255 bytes is "<255>".
std::string render(const Operation& operation);
/// Throws Error for what render() does not write.
Operation parse_operation(const std::string& line);

/// The longest name that a directory takes.
std::string long_name();

}  // namespace sandbox::overlay::test
