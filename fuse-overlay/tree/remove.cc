// Removing names: what a lower layer has at a name needs a whiteout in the upper one.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

Node* Overlay::known_at(Node& parent, const std::string& name, const Found& found) {
  if (Node* node = table_.find(parent, name)) return node;
  if (S_ISDIR(found.status.st_mode) || found.status.st_nlink < 2) return nullptr;
  return table_.find_shared({found.status.st_dev, found.status.st_ino});
}

void Overlay::let_go(Node& node, Node& parent, const std::string& name, Fd pinned) {
  if (!in_upper(node)) ++node.hidden_links;
  if (!in_upper(node) && !node.is_directory() && disk_status(node).st_nlink > 1) note_hidden_link();
  if (node.parent != &parent || node.name != name || node.is_removed()) return;  // known by another of its names
  table_.detach(node);
  node.pinned = std::move(pinned);
  if (!quota_.is_limited() || !in_upper(node)) return;
  const nlink_t names = disk_status(node).st_nlink;
  if (names == 0 || node.is_directory()) note_nameless(node, true);
}

void Overlay::remove(Node& parent, const std::string& name, bool directory) {
  const Changes::Guard guard(changes_);
  copy_up(parent);
  const Exclusive lock(tree_lock_);
  const auto found = find(parent, name);
  if (!found) throw Failure{ENOENT};
  if (S_ISDIR(found->status.st_mode) != directory) throw Failure{directory ? ENOTDIR : EISDIR};
  Node* node = known_at(parent, name, *found);
  if (directory) {
    if (node == nullptr) throw Failure{ESTALE};  // the kernel has always looked up what it removes
    check_empty(*node);
  }
  // Whoever still has it open, or stands in it, goes on with the object itself.
  Fd pinned = node != nullptr ? open_object(*node, O_PATH) : Fd();
  const OpenObject upper = directory_fd(parent, 0);
  const bool there = is_upper(found->top);
  if (covers_lower(parent, name)) {
    put_whiteout(upper->get(), name, there ? &found->status : nullptr);
  } else if (directory) {
    remove_hollow_directory(upper->get(), name);
  } else {
    check(sys::unlinkat(upper->get(), name.c_str(), 0));
  }
  if (node != nullptr) let_go(*node, parent, name, std::move(pinned));
}

}  // namespace sandbox::overlay
