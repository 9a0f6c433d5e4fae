// Removing names: what a lower layer has at a name needs a whiteout in the upper one.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

void Overlay::remove(Node& parent, const std::string& name, bool directory) {
  copy_up(parent);
  const Exclusive lock(tree_lock_);
  const auto found = find(parent, name);
  if (!found) throw Failure{ENOENT};
  if (S_ISDIR(found->status.st_mode) != directory) throw Failure{directory ? ENOTDIR : EISDIR};
  Node* node = table_.find(parent, name);
  if (directory) {
    if (node == nullptr) throw Failure{ESTALE};  // the kernel has always looked up what it removes
    check_empty(*node);
  }
  // Whoever still has it open, or stands in it, goes on with the object itself.
  Fd pinned = node != nullptr ? open_object(*node, O_PATH) : Fd();
  const DirectoryFd upper = directory_fd(parent, 0);
  const bool there = is_upper(found->top);
  if (covers_lower(parent, name)) {
    put_whiteout(upper->get(), name, there ? &found->status : nullptr);
  } else if (directory) {
    remove_hollow_directory(upper->get(), name);
  } else {
    check(sys::unlinkat(upper->get(), name.c_str(), 0));
  }
  if (node == nullptr) return;
  table_.detach(*node);
  node->pinned = std::move(pinned);
}

}  // namespace sandbox::overlay
