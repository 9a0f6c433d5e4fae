// Copy-up: an object of a lower layer gets a copy in the upper one before it is changed. The copy is
// made in the work directory and moved into place whole, so that a killed server leaves the old state.
// It is not flushed to the disk: after a power cut, what a container wrote is as safe as its own fsync
// calls have made it.
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr off_t kLongCopy = 256 << 10;  // about a millisecond's work

void copy_range_by_hand(int from, int to, off_t offset, off_t end) {
  std::vector<char> buffer(std::size_t{1} << 17);
  while (offset < end) {
    const auto wanted = std::min(buffer.size(), static_cast<std::size_t>(end - offset));
    const std::size_t count = check(sys::pread(from, buffer.data(), wanted, offset));
    if (count == 0) return;
    check(sys::pwrite_all(to, buffer.data(), count, offset));
    offset += static_cast<off_t>(count);
  }
}

void copy_range(int from, int to, off_t offset, off_t end) {
  while (offset < end) {
    off_t source = offset, target = offset;
    const auto count = sys::copy_file_range(from, &source, to, &target, static_cast<std::size_t>(end - offset));
    // Other file systems, old kernels (EXDEV before 5.3) and special files: the ordinary way.
    if (!count) return copy_range_by_hand(from, to, offset, end);
    if (*count == 0) return;
    offset += static_cast<off_t>(*count);
  }
}

/// Holes stay holes.
void copy_data(int from, int to, off_t size) {
  if (size == 0 || ::ioctl(to, FICLONE, from) == 0) return;
  for (off_t at = 0; at < size;) {
    const auto data = sys::lseek(from, at, SEEK_DATA);
    if (!data && data.error().value == ENXIO) break;  // only a hole is left
    const off_t begin = data ? *data : at;
    const auto hole = sys::lseek(from, begin, SEEK_HOLE);
    const off_t end = hole ? *hole : size;
    copy_range(from, to, begin, end);
    at = end;
  }
  check(sys::ftruncate(to, size));
}

}  // namespace

void Overlay::require_writable() const {
  if (!has_upper_) throw Failure{EROFS};
}

void Overlay::copy_up(Node& node, bool with_data) {
  require_writable();
  std::vector<Node*> chain;
  {
    const Shared lock(tree_lock_);
    for (Node* at = &node; at != nullptr && !in_upper(*at); at = at->parent) {
      chain.push_back(at);
      if (at->is_removed()) break;  // it has no place that would need directories
    }
  }
  for (; !chain.empty(); chain.pop_back()) copy_up_one(*chain.back(), with_data || chain.size() > 1);
}

void Overlay::copy_up_one(Node& node, bool with_data) {
  const std::lock_guard one_copy(copy_locks_[(reinterpret_cast<std::uintptr_t>(&node) / sizeof(Node)) % copy_locks_.size()]);
  const std::string staged = staging_name();
  try {
    struct stat status {};
    Fd data;
    Location from;
    {
      const Shared lock(tree_lock_);
      if (in_upper(node)) return;
      from = locate(node);
      status = check(from.follow() ? sys::fstat(node.pinned.get())
                                   : sys::fstatat(from.directory, from.path.c_str(), from.flags));
      if (S_ISREG(status.st_mode) && with_data) data = open_object(node, O_RDONLY);
    }
    stage_object(node, status, data, from, staged);
    put_copy_in_place(node, staged);
  } catch (...) {
    discard(staged);
    throw;
  }
}

void Overlay::stage_object(const Node& node, const struct stat& status, const Fd& data, const Location& from,
                           const std::string& staged) {
  const char* name = staged.c_str();
  switch (status.st_mode & S_IFMT) {
    case S_IFREG: {
      const Fd copy = check(sys::openat(work_.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
      if (data && status.st_size > kLongCopy) announce_waiting();
      if (data) copy_data(data.get(), copy.get(), status.st_size);
      break;
    }
    case S_IFDIR: check(sys::mkdirat(work_.get(), name, 0700)); break;
    case S_IFLNK:
      check(sys::symlinkat(check(from.follow() ? sys::readlinkat(node.pinned.get(), "")
                                               : sys::readlinkat(from.directory, from.path.c_str())).c_str(),
                           work_.get(), name));
      break;
    case S_IFIFO:
    case S_IFSOCK: check(sys::mknodat(work_.get(), name, (status.st_mode & S_IFMT) | 0600, 0)); break;
    default: throw Failure{EPERM};  // a device: nobody but the host's root could make its copy
  }
  copy_metadata(node, status, from, staged);
}

void Overlay::copy_metadata(const Node& node, const struct stat& status, const Location& from,
                            const std::string& staged) {
  const char* name = staged.c_str();
  if (!squash_) check(sys::fchownat(work_.get(), name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW));
  const std::string source = from.absolute();
  const std::string target = fmt::format("/proc/self/fd/{}/{}", work_.get(), staged);
  std::string names(65536, '\0');
  names.resize(sys::listxattr(source.c_str(), names.data(), names.size(), from.follow()).value_or(0));
  for (std::string_view rest = names; !rest.empty();) {
    const std::string attribute(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(attribute.size() + 1, rest.size()));
    if (is_private(attribute)) continue;
    std::string value(65536, '\0');
    const auto size = sys::getxattr(source.c_str(), attribute.c_str(), value.data(), value.size(), from.follow());
    if (!size) continue;
    const auto set = sys::setxattr(target.c_str(), attribute.c_str(), value.data(), *size, 0, false);
    // What this user may not write (security.*), or this file system can't hold, is left behind.
    if (!set && set.error().value != EPERM && set.error().value != EOPNOTSUPP) throw Failure{set.error().value};
  }
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
    const std::string number = fmt::format("{}", node.ino);
    (void)sys::setxattr(target.c_str(), kOriginalIno, number.data(), number.size(), 0, false);
  }
  if (!S_ISLNK(status.st_mode)) check(sys::fchmodat(work_.get(), name, status.st_mode & 07777));
  const timespec times[2] = {status.st_atim, status.st_mtim};
  check(sys::utimensat(work_.get(), name, times, AT_SYMLINK_NOFOLLOW));
}

void Overlay::put_copy_in_place(Node& node, const std::string& staged) {
  const Exclusive lock(tree_lock_);
  if (node.is_removed()) {
    node.pinned = check(sys::openat(work_.get(), staged.c_str(), O_PATH | O_NOFOLLOW));
    discard(staged);
    node.top = 0;
    return;
  }
  const DirectoryFd upper = directory_fd(*node.parent, 0);
  const auto parent = check(sys::fstat(upper->get()));
  check(sys::renameat2(work_.get(), staged.c_str(), upper->get(), node.name.c_str()));
  const timespec times[2] = {parent.st_atim, parent.st_mtim};
  (void)sys::utimensat(upper->get(), ".", times, 0);  // nothing has changed that a user would see
  if (node.is_directory()) {
    table_.drop_directories(node);
    node.layers.insert(node.layers.begin(), 0);
  } else {
    const auto status = check(sys::fstatat(upper->get(), node.name.c_str(), AT_SYMLINK_NOFOLLOW));
    table_.share(node, {status.st_dev, status.st_ino});
  }
  node.top = 0;
}

}  // namespace sandbox::overlay
