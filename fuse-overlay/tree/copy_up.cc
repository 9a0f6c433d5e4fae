// Copy-up: an object of a lower layer gets a copy in the upper one before it is changed. The copy is
// made in the work directory and moved into place whole, so that a killed server leaves the old state.
// It is not flushed to the disk: after a power cut, what a container wrote is as safe as its own fsync
// calls have made it.
//
// A file with several names is copied once and gets all of them in the upper layer, as far as the merged tree shows
// them: what is written through one name is read through the others, also after another mount, by either driver.
#include <errno.h>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr off_t kLongCopy = 256 << 10;  // about a millisecond's work

/// The status that an object shall have, as far as it is copied.
void apply(const AttributeChange& change, struct stat& status) {
  if (change.mode) status.st_mode = (status.st_mode & S_IFMT) | (*change.mode & 07777);
  // UTIME_NOW goes on to utimensat(2).
  if (change.times[0].tv_nsec != UTIME_OMIT) status.st_atim = change.times[0];
  if (change.times[1].tv_nsec != UTIME_OMIT) status.st_mtim = change.times[1];
}

}  // namespace

void Overlay::require_writable() const {
  if (!has_upper_) throw Failure{EROFS};
}

void Overlay::copy_up(Node& node, bool with_data) { copy_up_changed(node, with_data, {}); }

bool Overlay::copy_up_changed(Node& node, bool with_data, const AttributeChange& changed) {
  require_writable();
  std::vector<Node*> chain;
  {
    const Shared lock(tree_lock_);
    for (Node* at = &node; at != nullptr && !in_upper(*at); at = at->parent) {
      chain.push_back(at);
      if (at->is_removed()) break;  // it has no place that would need directories
    }
  }
  for (; chain.size() > 1; chain.pop_back()) copy_up_one(*chain.back(), true, {}, {});
  return !chain.empty() && copy_up_one(node, with_data, changed, other_names(node));
}

bool Overlay::copy_up_one(Node& node, bool with_data, const AttributeChange& changed, const std::vector<Name>& others) {
  const std::lock_guard one_copy(
      copy_locks_[(reinterpret_cast<std::uintptr_t>(&node) / sizeof(Node)) % copy_locks_.size()]);
  const std::string staged = staging_name();
  try {
    struct stat status{};
    Fd data;
    Location from;
    {
      const Shared lock(tree_lock_);
      if (in_upper(node)) return false;
      from = locate(node);
      status = disk_status(node);
      if (S_ISREG(status.st_mode) && with_data) data = open_object(node, O_RDONLY);
    }
    apply(changed, status);
    const auto reserved = reserve_object(data ? static_cast<std::uint64_t>(disk_size(status)) : 0);
    stage_object(node, status, data, from, staged);
    put_copy_in_place(node, status, staged, others);
    return true;
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
      if (data) copy_data(data.get(), copy.get(), status);
      return copy_metadata(node, status, data, from, copy.get());
    }
    case S_IFDIR: {
      check(sys::mkdirat(work_.get(), name, 0700));
      const Fd copy = check(sys::openat(work_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      return copy_metadata(node, status, data, from, copy.get());
    }
    case S_IFLNK:
      check(sys::symlinkat(check(from.follow() ? sys::readlinkat(node.pinned.get(), "")
                                               : sys::readlinkat(from.directory, from.path.c_str()))
                               .c_str(),
                           work_.get(), name));
      break;
    case S_IFIFO:
    case S_IFSOCK:
      check(sys::mknodat(work_.get(), name, (status.st_mode & S_IFMT) | 0600, 0));
      break;
    default:
      throw Failure{EPERM};  // a device: nobody but the host's root could make its copy
  }
  // Symbolic links and special files hold no attributes of users (xattr(7)).
  if (!squash_) check(sys::fchownat(work_.get(), name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW));
  if (!S_ISLNK(status.st_mode)) check(sys::fchmodat(work_.get(), name, status.st_mode & 07777));
  const timespec times[2] = {status.st_atim, status.st_mtim};
  check(sys::utimensat(work_.get(), name, times, AT_SYMLINK_NOFOLLOW));
}

void Overlay::copy_metadata(const Node& node, const struct stat& status, const Fd& data,
                            const Location& from, int copy) {
  if (!squash_) check(sys::fchownat(copy, "", status.st_uid, status.st_gid, AT_EMPTY_PATH));
  copy_attributes(data, from, copy);
  const std::string number = fmt::format("{}", node.ino);
  (void)sys::fsetxattr(copy, kOriginalIno, number.data(), number.size(), 0);
  check(sys::fchmod(copy, status.st_mode & 07777));
  const timespec times[2] = {status.st_atim, status.st_mtim};
  check(sys::futimens(copy, times));
}

/// `data`: the object itself, where it is open.
void Overlay::copy_attributes(const Fd& data, const Location& from, int copy) {
  const std::string source = from.absolute();
  const auto size = data ? sys::flistxattr(data.get(), nullptr, 0)
                         : sys::listxattr(source.c_str(), nullptr, 0, from.follow());
  if (!size || *size == 0) return;
  std::string names(kMostNames, '\0'), value(kMostNames, '\0');
  names.resize(sys::listxattr(source.c_str(), names.data(), names.size(), from.follow()).value_or(0));
  for (std::string_view rest = names; !rest.empty();) {
    const std::string attribute(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(attribute.size() + 1, rest.size()));
    if (is_private(attribute)) continue;
    const auto length = sys::getxattr(source.c_str(), attribute.c_str(), value.data(), value.size(), from.follow());
    if (!length) continue;
    const auto set = sys::fsetxattr(copy, attribute.c_str(), value.data(), *length, 0);
    // What this user may not write (security.*), or this file system can't hold, is left behind.
    if (!set && set.error().value != EPERM && set.error().value != EOPNOTSUPP) throw Failure{set.error().value};
  }
}

void Overlay::put_copy_in_place(Node& node, const struct stat& status, const std::string& staged,
                                const std::vector<Name>& others) {
  const Exclusive lock(tree_lock_);
  // Other names first: until the last step the copy itself is the staged one.
  std::size_t linked = 0;
  for (const Name& other : others) {
    if (!is_same_lower(other, node.top, status)) continue;  // removed in the meantime
    put_unseen(*other.parent,
               [&](int upper) { check(sys::linkat(work_.get(), staged.c_str(), upper, other.leaf.c_str())); });
    ++linked;
  }
  if (node.is_removed()) {
    node.pinned = check(sys::openat(work_.get(), staged.c_str(), O_PATH | O_NOFOLLOW));
    discard(staged);
  } else {
    put_unseen(*node.parent,
               [&](int upper) { check(sys::renameat2(work_.get(), staged.c_str(), upper, node.name.c_str())); });
  }
  table_.drop_open(node);
  if (node.is_directory()) node.layers.insert(node.layers.begin(), 0);
  node.top = 0;
  node.hidden_links = 0;
  if (quota_.is_limited()) count_new(node, disk_status(node));
  if (node.is_directory() || status.st_nlink < 2) return;
  const struct stat copied = disk_status(node);
  table_.share(node, linked > 0 ? BackingId{copied.st_dev, copied.st_ino} : BackingId{});
}

}  // namespace sandbox::overlay
