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

void Overlay::drop_set_ids(int file) {
  const mode_t mode = check(sys::fstat(file)).st_mode;
  // A set-group-ID bit without permission to execute meant mandatory locking (inode(7)), and stays.
  const mode_t dropped = S_ISUID | ((mode & S_IXGRP) != 0 ? S_ISGID : mode_t{0});
  if ((mode & dropped) != 0) check(sys::fchmod(file, mode & 07777 & ~dropped));
}

}  // namespace sandbox::overlay
