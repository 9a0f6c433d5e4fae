// New names: files, directories, special files, symbolic and hard links. Where the upper layer has a
// whiteout at the name, the object is made in the work directory and takes the whiteout's place.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

/// Owner as asked for, where it isn't the server's own; the group of a set-group-ID directory is inherited (stat(2)).
/// Returns the new object's status.
struct stat Overlay::give_owner(const Location& object, mode_t mode, int parent, Creator creator) const {
  const auto status = [&] { return check(sys::fstatat(object.directory, object.path.c_str(), object.flags)); };
  const struct stat now = status();
  const auto above = check(sys::fstat(parent));
  const bool inherits = (above.st_mode & S_ISGID) != 0;
  const uid_t owner = uids_.on_disk(creator.uid);
  const gid_t group = inherits ? above.st_gid : gids_.on_disk(creator.gid);
  const bool other_owner = !squash_ && (now.st_uid != owner || now.st_gid != group);
  if (other_owner) check(sys::fchownat(object.directory, object.path.c_str(), owner, group, object.flags));
  const mode_t wanted = (mode & 07777) | (inherits && S_ISDIR(now.st_mode) ? mode_t{S_ISGID} : mode_t{0});
  const bool other_mode = !S_ISLNK(now.st_mode) && (now.st_mode & 07777) != wanted;
  if (other_mode) check(sys::fchmodat(object.directory, object.path.c_str(), wanted));
  return other_owner || other_mode ? status() : now;
}

template <class Make>
Entry Overlay::make(Node& parent, const std::string& name, mode_t mode, Creator creator, Make make_object) {
  const Changes::Guard guard(changes_);
  check_new_name(name);
  copy_up(parent);
  const Shared lock(tree_lock_);
  if (parent.is_removed()) throw Failure{ENOENT};
  const OpenObject upper = directory_fd(parent, 0);
  const auto reserved = reserve_object(0);
  const DirectoryGrowth growth(*this, parent, upper->get());
  const Result<void> made = make_object(upper->get(), name);
  if (made) return entry_of_new(parent, name, give_owner({nullptr, upper->get(), name}, mode, upper->get(), creator));
  if (made.error().value != EEXIST) throw Failure{made.error().value};
  const auto existing = check(sys::fstatat(upper->get(), name.c_str(), AT_SYMLINK_NOFOLLOW));
  if (!is_whiteout(parent, 0, upper->get(), name, existing)) throw Failure{EEXIST};
  const std::string staged = staging_name();
  struct stat status{};
  try {
    check(make_object(work_.get(), staged));
    status = give_owner({nullptr, work_.get(), staged}, mode, upper->get(), creator);
    if (S_ISDIR(mode)) make_opaque(work_.get(), staged);
    put_over_whiteout(staged, upper->get(), name, S_ISDIR(mode));
  } catch (...) {
    discard(staged);
    throw;
  }
  return entry_of_new(parent, name, status);
}

Entry Overlay::create(Node& parent, const std::string& name, mode_t mode, Creator creator) {
  Fd fd;
  const auto make_file = [&](int directory, const std::string& at) -> Result<void> {
    auto opened = sys::openat(directory, at.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode & 07777);
    if (!opened) return std::unexpected(opened.error());
    fd = std::move(*opened);
    return {};
  };
  const Entry entry = make(parent, name, S_IFREG | mode, creator, make_file);
  table_.cache_open(*entry.node, 0, std::make_shared<const Fd>(std::move(fd)));
  return entry;
}

Entry Overlay::create_unnamed(Node& directory, mode_t mode, Creator creator) {
  const Changes::Guard guard(changes_);
  copy_up(directory);
  const Shared lock(tree_lock_);
  const OpenObject upper = directory_fd(directory, 0);
  const auto reserved = reserve_object(0);
  Fd fd = check(sys::openat(upper->get(), ".", O_RDWR | O_TMPFILE, mode & 07777));
  const std::string path = fmt::format("/proc/self/fd/{}", fd.get());
  const struct stat status = give_owner({nullptr, AT_FDCWD, path, 0}, mode, upper->get(), creator);
  Fd pinned = check(sys::openat(AT_FDCWD, path.c_str(), O_PATH));
  Found found{status, own_ino(status.st_dev, status.st_ino), 0, {}, {}};
  Entry entry{&table_.obtain_unnamed(directory, found, std::move(pinned)), status};
  show(entry.status, *entry.node);
  entry.node->capability = Node::Capability::absent;
  count_new(*entry.node, status);
  table_.cache_open(*entry.node, 0, std::make_shared<const Fd>(std::move(fd)));
  return entry;
}

Entry Overlay::make_directory(Node& parent, const std::string& name, mode_t mode, Creator creator) {
  return make(parent, name, S_IFDIR | mode, creator, [mode](int directory, const std::string& at) {
    return sys::mkdirat(directory, at.c_str(), mode & 07777);
  });
}

Entry Overlay::make_special(Node& parent, const std::string& name, mode_t mode, Creator creator) {
  // Devices, the whiteouts' 0:0 among them, are not a container's to make.
  if (!S_ISFIFO(mode) && !S_ISSOCK(mode) && !S_ISREG(mode)) throw Failure{EPERM};
  return make(parent, name, mode, creator,
              [mode](int directory, const std::string& at) { return sys::mknodat(directory, at.c_str(), mode, 0); });
}

Entry Overlay::make_symlink(Node& parent, const std::string& name, const std::string& target, Creator creator) {
  return make(parent, name, S_IFLNK, creator, [&target](int directory, const std::string& at) {
    return sys::symlinkat(target.c_str(), directory, at.c_str());
  });
}

Entry Overlay::make_link(Node& node, Node& parent, const std::string& name) {
  const Changes::Guard guard(changes_);
  check_new_name(name);
  copy_up(node);
  copy_up(parent);
  const Exclusive lock(tree_lock_);
  if (parent.is_removed()) throw Failure{ENOENT};
  const Location from = locate(node);
  const int flags = from.follow() ? AT_SYMLINK_FOLLOW : 0;
  const OpenObject upper = directory_fd(parent, 0);
  const DirectoryGrowth growth(*this, parent, upper->get());
  const struct stat before = disk_status(node);
  if (node.ino != own_ino(before.st_dev, before.st_ino)) mark_numbered(parent, upper->get());
  const auto linked = sys::linkat(from.directory, from.path.c_str(), upper->get(), name.c_str(), flags);
  if (!linked) {
    if (linked.error().value != EEXIST) throw Failure{linked.error().value};
    const auto existing = check(sys::fstatat(upper->get(), name.c_str(), AT_SYMLINK_NOFOLLOW));
    if (!is_whiteout(parent, 0, upper->get(), name, existing)) throw Failure{EEXIST};
    const std::string staged = staging_name();
    check(sys::linkat(from.directory, from.path.c_str(), work_.get(), staged.c_str(), flags));
    put_over_whiteout(staged, upper->get(), name, false);
  }
  note_nameless(node, false);
  table_.share(node, {before.st_dev, before.st_ino});
  if (node.is_removed()) {  // O_TMPFILE, or it has lost the name that it was known by
    table_.move(node, parent, name);
    node.pinned.reset();
  }
  table_.count(node);
  return {&node, status_of(node)};
}

}  // namespace sandbox::overlay
