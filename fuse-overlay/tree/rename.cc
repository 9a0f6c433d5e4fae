// Renaming. A directory that has content in lower layers is refused with EXDEV, as kernel overlayfs does
// without redirect_dir, so that mv(1) copies it.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

/// Everything that the two names stand for, in the upper layer.
struct Overlay::Move {
  int from = -1, to = -1;  ///< Upper directories.
  const std::string& name;
  const std::string& new_name;
  bool directory = false;      ///< Of the object that moves.
  bool leaves_whiteout = false;
  bool exchange = false;
};

/// Keeps a node known while an operation uses it.
class Held {
 public:
  Held(Overlay& overlay, Node& parent, const std::string& name) : overlay_(overlay), entry_(overlay.lookup(parent, name)) {}
  ~Held() {
    if (entry_) overlay_.forget(*entry_->node, 1);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  Node* node() const { return entry_ ? entry_->node : nullptr; }

 private:
  Overlay& overlay_;
  std::optional<Entry> entry_;
};

void Overlay::rename_in_upper(const Move& move) {
  const char* name = move.name.c_str();
  const char* new_name = move.new_name.c_str();
  if (move.exchange) return check(sys::renameat2(move.from, name, move.to, new_name, RENAME_EXCHANGE));
  const auto slot = sys::fstatat(move.to, new_name, AT_SYMLINK_NOFOLLOW);
  if (move.directory && slot) {
    // A whiteout, or a directory that looks empty, changes places with the directory.
    check(sys::renameat2(move.from, name, move.to, new_name, RENAME_EXCHANGE));
    const bool whiteout = is_whiteout(move.from, move.name, *slot);
    if (whiteout && move.leaves_whiteout) return;
    if (whiteout) return check(sys::unlinkat(move.from, name, 0));
    remove_hollow_directory(move.from, move.name);
    if (move.leaves_whiteout) put_whiteout(move.from, move.name, nullptr);
    return;
  }
  if (move.leaves_whiteout && !marks_whiteouts_) {
    const auto renamed = sys::renameat2(move.from, name, move.to, new_name, RENAME_WHITEOUT);
    if (renamed) return;
    if (renamed.error().value != EINVAL) throw Failure{renamed.error().value};
  }
  check(sys::renameat2(move.from, name, move.to, new_name));
  if (move.leaves_whiteout) put_whiteout(move.from, move.name, nullptr);
}

void Overlay::rename(Node& parent, const std::string& name, Node& new_parent, const std::string& new_name,
                     unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) throw Failure{EINVAL};
  require_writable();
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  const Held source(*this, parent, name), target(*this, new_parent, new_name);
  if (source.node() == nullptr || (exchange && target.node() == nullptr)) throw Failure{ENOENT};
  if (target.node() != nullptr && (flags & RENAME_NOREPLACE) != 0) throw Failure{EEXIST};
  const auto movable = [&](const Node& node) {
    const Shared lock(tree_lock_);
    return !node.is_directory() || (in_upper(node) && node.layers.size() == 1);
  };
  if (!movable(*source.node()) || (exchange && !movable(*target.node()))) throw Failure{EXDEV};
  copy_up(*source.node());
  if (exchange) copy_up(*target.node());
  copy_up(parent);
  copy_up(new_parent);

  const Exclusive lock(tree_lock_);
  const DirectoryFd from = directory_fd(parent, 0), to = directory_fd(new_parent, 0);
  const bool source_covers = covers_lower(parent, name), target_covers = covers_lower(new_parent, new_name);
  if (!exchange && target.node() != nullptr && target.node()->is_directory()) check_empty(*target.node());
  // A directory must not show at its new place what lower layers have there.
  if (source.node()->is_directory() && target_covers) make_opaque(from->get(), name);
  if (exchange && target.node()->is_directory() && source_covers) make_opaque(to->get(), new_name);
  // Known by another of its names, a node's place is not the one that changes.
  Node* moved = table_.find(parent, name);
  Node* replaced = table_.find(new_parent, new_name);
  Fd pinned = replaced != nullptr && !exchange ? open_object(*replaced, O_PATH) : Fd();
  rename_in_upper({from->get(), to->get(), name, new_name, source.node()->is_directory(), source_covers, exchange});
  if (exchange) return table_.exchange(moved, parent, name, replaced, new_parent, new_name);
  if (replaced != nullptr) {
    table_.detach(*replaced);
    replaced->pinned = std::move(pinned);
  }
  if (moved != nullptr) table_.move(*moved, new_parent, new_name);
}

}  // namespace sandbox::overlay
