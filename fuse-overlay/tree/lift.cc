// Lifting: a directory with everything below it goes into the upper layer, so that nothing of lower layers shows
// through any more. That makes it movable. Kernel overlayfs has "redirects" for that, but refuses to follow them in a
// mount of an ordinary user ("userxattr"): one driver could not open what the other has renamed.
//
// At every step the merged tree looks as before, so that a killed server leaves nothing to repair.
#include <errno.h>

#include "fuse-overlay/tree/directory_stream.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

bool Overlay::is_lifted(const Node& node) {
  const Shared lock(tree_lock_);
  return !node.is_directory() || (in_upper(node) && node.layers.size() == 1);
}

/// With all entries in the upper layer, the directory hides the lower ones as a whole, and needs no whiteouts.
void Overlay::close_directory(Node& directory) {
  const Exclusive lock(tree_lock_);
  if (directory.is_removed() || directory.layers.size() == 1) return;
  const OpenObject upper = directory_fd(directory, 0);
  for (const DirectoryItem& item : list_merged(directory)) {
    // A name that isn't there can't be copied: it is a device, or somebody changes the lower layers.
    if (!sys::fstatat(upper->get(), item.name.c_str(), AT_SYMLINK_NOFOLLOW)) throw Failure{EXDEV};
  }
  make_opaque(upper->get(), ".");
  for (const std::string& name : names_in(upper->get(), ".")) {
    const auto status = check(sys::fstatat(upper->get(), name.c_str(), AT_SYMLINK_NOFOLLOW));
    if (is_whiteout(directory, 0, upper->get(), name, status)) check(sys::unlinkat(upper->get(), name.c_str(), 0));
  }
  table_.drop_open(directory);
  directory.layers = {0};
  directory.marked.clear();
}

void Overlay::lift(Node& node, const std::function<bool()>& interrupted) {
  struct Level {
    Node* directory;
    Held hold;
    Items items;
  };
  const auto entries_of = [this](Node& directory) {
    copy_up(directory);
    const Shared lock(tree_lock_);
    return list_merged(directory);
  };
  announce_waiting();
  std::vector<Level> levels;
  levels.push_back({&node, Held(*this, root()), entries_of(node)});
  while (!levels.empty()) {
    if (interrupted()) throw Failure{EINTR};
    Level& level = levels.back();
    if (level.items.empty()) {
      close_directory(*level.directory);
      levels.pop_back();
      continue;
    }
    const std::string name = std::move(level.items.back().name);
    level.items.pop_back();
    const auto entry = lookup(*level.directory, name);
    if (!entry) continue;  // removed in the meantime
    Held hold(*this, *entry->node);
    if (!hold->is_directory()) {
      copy_up(*hold);
    } else if (!is_lifted(*hold)) {
      auto items = entries_of(*hold);
      levels.push_back({hold.get(), std::move(hold), std::move(items)});
    }
  }
}

}  // namespace sandbox::overlay
