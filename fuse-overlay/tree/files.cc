// Contents of regular files. The kernel does not tell of open and close: a descriptor belongs to the node, and is
// kept in the table's cache.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

OpenObject Overlay::readable(Node& node) {
  if (!S_ISREG(node.type)) throw Failure{EINVAL};
  const Shared lock(tree_lock_);
  return content(node);
}

OpenObject Overlay::writable(Node& node) {
  if (!S_ISREG(node.type)) throw Failure{EINVAL};
  copy_up(node);
  const Shared lock(tree_lock_);
  return content(node);
}

template <class Act>
auto Overlay::within_quota(Node& node, int file, off_t offset, std::size_t size, bool partly, Act act) {
  if (!quota_.is_limited()) return act(size);
  know_size(node, check(sys::fstat(file)));
  const auto reserved = reserve_range(file, offset, size, partly);
  const auto result = act(size);
  count_size(node, check(sys::fstat(file)));
  return result;
}

std::size_t Overlay::write(Node& node, const Write& write) {
  const Changes::Guard guard(changes_);
  const OpenObject file = writable(node);
  const auto written = within_quota(node, file->get(), write.offset, write.size, true, [&](std::size_t size) {
    check(sys::pwrite_all(file->get(), write.data, size, write.offset));
    return size;
  });
  if (write.drops_set_ids) drop_set_ids(file->get());
  if (write.synchronous) check(sys::fdatasync(file->get()));
  return written;
}

void Overlay::allocate(Node& node, int mode, off_t offset, off_t size) {
  const Changes::Guard guard(changes_);
  const OpenObject file = writable(node);
  const bool frees = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
  within_quota(node, file->get(), offset, frees ? 0 : static_cast<std::size_t>(size), false, [&](std::size_t) {
    check(sys::fallocate(file->get(), mode, offset, size));
    return true;
  });
}

std::size_t Overlay::copy_range(Node& from, off_t from_offset, Node& to, off_t to_offset, std::size_t size) {
  const Changes::Guard guard(changes_);
  const OpenObject target = writable(to), source = readable(from);
  const off_t left = check(sys::fstat(source->get())).st_size - from_offset;
  if (left <= 0) return 0;
  size = std::min(size, static_cast<std::size_t>(left));
  announce_waiting();
  return within_quota(to, target->get(), to_offset, size, true, [&](std::size_t most) {
    return check(sys::copy_file_range(source->get(), &from_offset, target->get(), &to_offset, most));
  });
}

void Overlay::drop_set_ids(int file) {
  const mode_t mode = check(sys::fstat(file)).st_mode;
  // A set-group-ID bit without permission to execute meant mandatory locking (inode(7)), and stays.
  const mode_t dropped = S_ISUID | ((mode & S_IXGRP) != 0 ? S_ISGID : mode_t{0});
  if ((mode & dropped) != 0) check(sys::fchmod(file, mode & 07777 & ~dropped));
}

}  // namespace sandbox::overlay
