// New names: files, directories, special files, symbolic and hard links. Where the upper layer has a
// whiteout at the name, the object is made in the work directory and takes the whiteout's place.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

/// Owner as asked for, where it isn't the server's own; the group of a set-group-ID directory is inherited (stat(2)).
void Overlay::give_owner(int directory, const std::string& name, mode_t mode, int parent, Creator creator) const {
  if (squash_) return;
  const auto above = check(sys::fstat(parent));
  const bool inherits = (above.st_mode & S_ISGID) != 0;
  const gid_t group = inherits ? above.st_gid : creator.gid;
  const auto now = check(sys::fstatat(directory, name.c_str(), AT_SYMLINK_NOFOLLOW));
  if (now.st_uid != creator.uid || now.st_gid != group) {
    check(sys::fchownat(directory, name.c_str(), creator.uid, group, AT_SYMLINK_NOFOLLOW));
  }
  const mode_t wanted = (mode & 07777) | (inherits && S_ISDIR(now.st_mode) ? mode_t{S_ISGID} : mode_t{0});
  if (!S_ISLNK(now.st_mode) && (now.st_mode & 07777) != wanted) check(sys::fchmodat(directory, name.c_str(), wanted));
}

template <class Make>
Entry Overlay::make(Node& parent, const std::string& name, mode_t mode, Creator creator, Make make_object) {
  copy_up(parent);
  const Shared lock(tree_lock_);
  if (parent.is_removed()) throw Failure{ENOENT};
  const DirectoryFd upper = directory_fd(parent, 0);
  const Result<void> made = make_object(upper->get(), name);
  if (made) {
    give_owner(upper->get(), name, mode, upper->get(), creator);
    return entry_in_upper(parent, upper->get(), name);
  }
  if (made.error().value != EEXIST) throw Failure{made.error().value};
  const auto existing = check(sys::fstatat(upper->get(), name.c_str(), AT_SYMLINK_NOFOLLOW));
  if (!is_whiteout(upper->get(), name, existing)) throw Failure{EEXIST};
  const std::string staged = staging_name();
  try {
    check(make_object(work_.get(), staged));
    give_owner(work_.get(), staged, mode, upper->get(), creator);
    if (S_ISDIR(mode)) make_opaque(work_.get(), staged);
    put_over_whiteout(staged, upper->get(), name, S_ISDIR(mode));
  } catch (...) {
    discard(staged);
    throw;
  }
  return entry_in_upper(parent, upper->get(), name);
}

Overlay::Created Overlay::create(Node& parent, const std::string& name, mode_t mode, int flags, Creator creator) {
  Fd fd;
  const int opened = (backing_flags(flags) & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
  Created created;
  created.entry = make(parent, name, S_IFREG | mode, creator, [&](int directory, const std::string& at) -> Result<void> {
    auto result = sys::openat(directory, at.c_str(), opened, mode & 07777);
    if (!result) return std::unexpected(result.error());
    fd = std::move(*result);
    return {};
  });
  created.file = std::make_unique<OpenFile>(*created.entry.node);
  created.file->fd = std::make_shared<const Fd>(std::move(fd));
  return created;
}

Entry Overlay::make_directory(Node& parent, const std::string& name, mode_t mode, Creator creator) {
  return make(parent, name, S_IFDIR | mode, creator, [mode](int directory, const std::string& at) {
    return sys::mkdirat(directory, at.c_str(), mode & 07777);
  });
}

Entry Overlay::make_special(Node& parent, const std::string& name, mode_t mode, Creator creator) {
  // Devices, the whiteouts' 0:0 among them, are not a container's to make.
  if (!S_ISFIFO(mode) && !S_ISSOCK(mode) && !S_ISREG(mode)) throw Failure{EPERM};
  return make(parent, name, mode, creator, [mode](int directory, const std::string& at) {
    return sys::mknodat(directory, at.c_str(), mode, 0);
  });
}

Entry Overlay::make_symlink(Node& parent, const std::string& name, const std::string& target, Creator creator) {
  return make(parent, name, S_IFLNK, creator, [&target](int directory, const std::string& at) {
    return sys::symlinkat(target.c_str(), directory, at.c_str());
  });
}

Entry Overlay::make_link(Node& node, Node& parent, const std::string& name) {
  copy_up(node);
  copy_up(parent);
  const Shared lock(tree_lock_);
  if (parent.is_removed()) throw Failure{ENOENT};
  const Location from = locate(node);
  const int flags = from.follow() ? AT_SYMLINK_FOLLOW : 0;
  const DirectoryFd upper = directory_fd(parent, 0);
  const auto linked = sys::linkat(from.directory, from.path.c_str(), upper->get(), name.c_str(), flags);
  if (!linked) {
    if (linked.error().value != EEXIST) throw Failure{linked.error().value};
    const auto existing = check(sys::fstatat(upper->get(), name.c_str(), AT_SYMLINK_NOFOLLOW));
    if (!is_whiteout(upper->get(), name, existing)) throw Failure{EEXIST};
    const std::string staged = staging_name();
    check(sys::linkat(from.directory, from.path.c_str(), work_.get(), staged.c_str(), flags));
    put_over_whiteout(staged, upper->get(), name, false);
  }
  return entry_in_upper(parent, upper->get(), name);
}

}  // namespace sandbox::overlay
