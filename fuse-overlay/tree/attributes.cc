// Status and attributes of objects.
#include <errno.h>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

bool has_owner(const struct stat& status, const AttributeChange& change) {
  return change.uid.value_or(status.st_uid) == status.st_uid && change.gid.value_or(status.st_gid) == status.st_gid;
}

}  // namespace

struct stat Overlay::attributes(Node& node) {
  const Shared lock(tree_lock_);
  return status_of(node);
}

std::string Overlay::read_link(Node& node) {
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  // readlinkat(2): an empty path means the symbolic link that the descriptor itself refers to.
  return check(at.follow() ? sys::readlinkat(node.pinned.get(), "") : sys::readlinkat(at.directory, at.path.c_str()));
}

struct statvfs Overlay::file_system() {
  struct statvfs status = check(sys::fstatvfs(layers_.front().root->get()));
  quota_.apply(status);
  return status;
}

/// Whether the object is as it is asked to be: then nothing has to be copied up. As kernel overlayfs doesn't: there
/// `chown -R` of an image's tree to the owner that it has copies all of it.
bool Overlay::is_so_already(const Node& node, const AttributeChange& change) {
  if (change.size) return false;
  const struct stat now = status_of(node);
  if (change.mode && (*change.mode & 07777) != (now.st_mode & 07777)) return false;
  const auto is_same = [](const timespec& wanted, const timespec& present) {
    return wanted.tv_nsec == UTIME_OMIT || (wanted.tv_sec == present.tv_sec && wanted.tv_nsec == present.tv_nsec);
  };
  if (!is_same(change.times[0], now.st_atim) || !is_same(change.times[1], now.st_mtim)) return false;
  if (!change.sets_owner() || node.is_directory()) return !change.sets_owner() || has_owner(now, change);
  // What can hold no attribute can be recorded to have another owner in the upper layer only (store/owner_record.h).
  if (squash_ && !S_ISREG(node.type)) return false;
  // A change of owner takes away set-ID bits and capabilities, even to the same one (chown(2)).
  const Location at = locate(node);
  return has_owner(now, change) && (now.st_mode & (S_ISUID | S_ISGID)) == 0 &&
         !sys::getxattr(at.absolute().c_str(), kCapability, nullptr, 0, at.follow());
}

struct stat Overlay::change(Node& node, const AttributeChange& change) {
  const Changes::Guard guard(changes_);
  require_writable();
  if (change.mode && S_ISLNK(node.type)) throw Failure{EOPNOTSUPP};
  // Every object is shown as the squashed ids', and can be given to nobody else.
  if (squash_ && !has_owner({.st_uid = squash_->uid, .st_gid = squash_->gid}, change)) throw Failure{EPERM};
  {
    const Shared lock(tree_lock_);
    if (!in_upper(node) && is_so_already(node, change)) return status_of(node);
  }
  // Truncating sets a time, and a change of owner takes bits of the mode away: after these, there is more to do.
  const bool at_once = !change.size && !change.sets_owner();
  const bool is_changed = copy_up_changed(node, change.size.value_or(1) != 0, at_once ? change : AttributeChange{});
  if (at_once && is_changed) return attributes(node);
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  if (change.size) {
    if (!S_ISREG(node.type)) throw Failure{EINVAL};
    const OpenObject file = content(node);
    if (quota_.is_limited()) know_size(node, check(sys::fstat(file->get())));
    check(sys::ftruncate(file->get(), *change.size));
    if (quota_.is_limited()) count_size(node, check(sys::fstat(file->get())));
    if (change.drops_set_ids) drop_set_ids(file->get());
  }
  if (change.sets_owner()) {
    constexpr auto kSame = static_cast<uid_t>(-1);
    const uid_t uid = change.uid ? uids_.on_disk(*change.uid) : kSame;
    const gid_t gid = change.gid ? gids_.on_disk(*change.gid) : kSame;
    check(sys::fchownat(at.directory, at.path.c_str(), uid, gid, at.flags));
  }
  if (change.mode) check(sys::fchmodat(at.directory, at.path.c_str(), *change.mode & 07777));
  if (change.sets_times()) check(sys::utimensat(at.directory, at.path.c_str(), change.times, at.flags));
  return status_of(node);
}

}  // namespace sandbox::overlay
