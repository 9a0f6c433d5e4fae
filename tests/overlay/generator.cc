#include "generator.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "actor.h"

namespace sandbox::overlay::test {
namespace fs = std::filesystem;
namespace {

constexpr int kLookEvery = 6;
constexpr long kLargest = 140000;

/// What is tried more often than once in so many operations.
constexpr Kind kOften[] = {Kind::open,   Kind::open,  Kind::open,      Kind::open,   Kind::pwrite, Kind::pwrite,
                           Kind::pread,  Kind::fstat, Kind::stat,      Kind::stat,   Kind::rename, Kind::rename,
                           Kind::rename, Kind::link,  Kind::unlink,    Kind::unlink, Kind::rmdir,  Kind::mkdir,
                           Kind::chmod,  Kind::list,  Kind::map_write, Kind::pread,  Kind::symlink};
constexpr int kAccess[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
constexpr int kOpening[] = {0,        0,         0, O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_CREAT | O_TRUNC,
                            O_APPEND, O_NOFOLLOW};
constexpr mode_t kModes[] = {0644, 0600, 0755, 0700, 0, 04755, 02755, 01777, 0555, 02644};
constexpr const char* kLeaves[] = {"a", "b", "c", "d", "e", "f", "g", ".wh.a", ".wh..wh..opq", "ü"};
constexpr const char* kAttributes[] = {"user.a",         "user.b",        "user.overlay.opaque",
                                       "user.overlayed", "security.none", "trusted.x"};
constexpr int kAllocating[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE,
                               FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
constexpr int kWhence[] = {SEEK_DATA, SEEK_HOLE, SEEK_HOLE, SEEK_SET, SEEK_END};
constexpr unsigned kRenaming[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE};
constexpr mode_t kNodes[] = {S_IFIFO | 0644, S_IFSOCK | 0600, S_IFREG | 0640, S_IFBLK | 0600};

}  // namespace

void Generator::look() {
  age_ = 0;
  paths_.clear();
  directories_ = {"."};
  std::error_code error;  // others may change the tree meanwhile
  for (fs::recursive_directory_iterator entry(".", error), end; !error && entry != end; entry.increment(error)) {
    const std::string path = entry->path().string().substr(2);
    paths_.push_back(path);
    if (fs::is_directory(fs::symlink_status(path, error))) directories_.push_back(path);
  }
  std::sort(paths_.begin(), paths_.end());
  std::sort(directories_.begin(), directories_.end());
}

std::string Generator::existing() { return paths_.empty() ? "a" : one_of(paths_); }

std::string Generator::directory() { return one_of(directories_); }

std::string Generator::fresh() {
  const std::string name = one_in(40) ? long_name() : one_in(60) ? long_name() + "n" : one_of(kLeaves);
  const std::string parent = one_in(12) ? existing() : directory();
  return parent == "." ? name : parent + "/" + name;
}

void Generator::fill_sizes(Operation& operation) {
  const long aligned = one_in(3) ? 4096 : 1;
  operation.offset = one_in(3) ? 0 : static_cast<long>(below(kLargest)) / aligned * aligned;
  operation.other_offset = static_cast<long>(below(kLargest));
  operation.size = 1 + static_cast<long>(one_in(4) ? below(30000) : below(5000)) / aligned * aligned;
}

void Generator::fill(Operation& operation) {
  operation.slot = static_cast<int>(below(kSlots));
  operation.other_slot = static_cast<int>(below(kSlots));
  operation.mode = one_of(kModes);
  switch (operation.kind) {
    case Kind::open:
      operation.flags = one_of(kAccess) | one_of(kOpening);
      operation.path = (operation.flags & O_CREAT) != 0 ? (one_in(2) ? fresh() : path()) : path();
      if (one_in(8)) operation.path = directory(), operation.flags = O_TMPFILE | O_RDWR;
      if (one_in(8)) operation.path = directory(), operation.flags = O_RDONLY | O_DIRECTORY;
      return;
    case Kind::fallocate:
      fill_sizes(operation);
      operation.flags = one_of(kAllocating);
      return;
    case Kind::seek:
      fill_sizes(operation);
      operation.flags = one_of(kWhence);
      return;
    case Kind::ftruncate:
    case Kind::truncate:
      operation.size = one_in(3) ? 0 : static_cast<long>(below(kLargest));
      operation.path = path();
      return;
    case Kind::stat:
      operation.path = path();
      operation.flags = one_in(3) ? 0 : AT_SYMLINK_NOFOLLOW;
      return;
    case Kind::chown:
      operation.path = path();
      if (one_in(4)) operation.size = 4711;
      return;
    case Kind::utimens:
    case Kind::futimens:
      operation.path = path();
      operation.offset = 1000000000 + static_cast<long>(below(1000000));
      operation.size = static_cast<long>(below(1000000000));
      return;
    case Kind::setxattr:
    case Kind::fsetxattr:
    case Kind::getxattr:
    case Kind::removexattr:
      operation.path = path();
      operation.other = one_of(kAttributes);
      operation.size = one_in(5) ? 0 : static_cast<long>(below(300));
      operation.flags =
          operation.kind == Kind::setxattr || operation.kind == Kind::fsetxattr ? static_cast<int>(below(3)) : 0;
      return;
    case Kind::link:
      operation.path = existing();
      operation.other = fresh();
      return;
    case Kind::symlink:
      operation.path = fresh();
      operation.other = one_in(3) ? existing() : one_of(kLeaves);
      return;
    case Kind::rename:
      operation.flags = static_cast<int>(one_of(kRenaming));
      operation.path = path();
      operation.other = one_in(2) || (operation.flags & RENAME_EXCHANGE) != 0 ? existing() : fresh();
      return;
    case Kind::mknod:
      operation.path = fresh();
      operation.mode = one_of(kNodes);
      return;
    case Kind::mkdir:
    case Kind::link_open:
      operation.path = fresh();
      return;
    case Kind::create_at:
    case Kind::stat_at:
      operation.other = one_of(kLeaves);
      return;
    case Kind::access:
      operation.path = path();
      operation.flags = static_cast<int>(below(8));
      return;
    case Kind::rmdir:
      operation.path = one_in(3) ? path() : directory();
      return;
    case Kind::list:
      operation.path = one_in(4) ? path() : directory();
      return;
    default:
      fill_sizes(operation);
      operation.path = path();
      operation.flags = static_cast<int>(below(2));
  }
}

Operation Generator::next() {
  if (age_++ % kLookEvery == 0) look();
  Operation operation;
  operation.kind = one_in(2) ? one_of(kOften) : static_cast<Kind>(below(kKinds));
  if (operation.kind == Kind::remove_tree && !one_in(4)) operation.kind = Kind::stat;
  fill(operation);
  // The root itself is a mount's, or the working directory's: not for these.
  const bool takes_root = operation.kind == Kind::list || operation.kind == Kind::open;
  if (operation.path == "." && !takes_root) operation.path = "a";
  return operation;
}

}  // namespace sandbox::overlay::test
