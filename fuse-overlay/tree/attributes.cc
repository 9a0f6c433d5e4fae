// Status and attributes of objects.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

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

struct statvfs Overlay::file_system() { return check(sys::fstatvfs(layers_.front().root->get())); }

void Overlay::change(Node& node, const AttributeChange& change, OpenFile* file) {
  require_writable();
  bool sets_owner = change.sets_owner();
  if (sets_owner && squash_) {
    // Every object is shown as the squashed ids', so giving it to them changes nothing.
    if (change.uid.value_or(squash_->uid) != squash_->uid || change.gid.value_or(squash_->gid) != squash_->gid) {
      throw Failure{EPERM};
    }
    sets_owner = false;
  }
  if (!sets_owner && !change.mode && !change.size && !change.sets_times()) return;
  copy_up(node, change.size.value_or(1) != 0);
  std::shared_ptr<const Fd> open_file = file != nullptr ? current(*file) : nullptr;
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  if (change.size) {
    const auto truncated = open_file ? sys::ftruncate(open_file->get(), *change.size) : std::unexpected(Errno{EINVAL});
    // A descriptor opened for reading can't truncate, and the kernel has checked the permission.
    if (!truncated) check(sys::ftruncate(open_object(node, O_WRONLY).get(), *change.size));
  }
  if (sets_owner) {
    constexpr auto kSame = static_cast<uid_t>(-1);
    check(sys::fchownat(at.directory, at.path.c_str(), change.uid.value_or(kSame), change.gid.value_or(kSame), at.flags));
  }
  if (change.mode && S_ISLNK(node.type)) throw Failure{EOPNOTSUPP};
  if (change.mode) check(sys::fchmodat(at.directory, at.path.c_str(), *change.mode & 07777));
  if (change.sets_times()) check(sys::utimensat(at.directory, at.path.c_str(), change.times, at.flags));
}

}  // namespace sandbox::overlay
