// Renaming. What moves has to be in the upper layer as a whole; see lift.cc for directories.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

/// Everything that the two names stand for, in the upper layer.
struct Overlay::Move {
  int from = -1, to = -1;  ///< Upper directories.
  const std::string& name;
  const std::string& new_name;
  bool directory = false;  ///< Of the object that moves.
  bool leaves_whiteout = false;
  bool exchange = false;
};

void Overlay::rename_in_upper(const Move& move) {
  const char* name = move.name.c_str();
  const char* new_name = move.new_name.c_str();
  if (move.exchange) return check(sys::renameat2(move.from, name, move.to, new_name, RENAME_EXCHANGE));
  const auto slot = sys::fstatat(move.to, new_name, AT_SYMLINK_NOFOLLOW);
  if (move.directory && slot) {
    // A whiteout, or a directory that looks empty, changes places with the directory.
    check(sys::renameat2(move.from, name, move.to, new_name, RENAME_EXCHANGE));
    const bool whiteout = !S_ISDIR(slot->st_mode);
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
                     unsigned flags, const std::function<bool()>& interrupted) {
  const Changes::Guard guard(changes_);
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) throw Failure{EINVAL};
  require_writable();
  check_new_name(new_name);
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  const auto held = [this](Node& directory, const std::string& at) -> std::optional<Held> {
    const auto entry = lookup(directory, at);
    if (!entry) return {};
    return Held(*this, *entry->node);
  };
  const auto source = held(parent, name), target = held(new_parent, new_name);
  if (!source || (exchange && !target)) throw Failure{ENOENT};
  if (target && (flags & RENAME_NOREPLACE) != 0) throw Failure{EEXIST};
  const auto prepare = [&](Node& node) {
    if (is_lifted(node)) return copy_up(node);
    lift(node, interrupted);
  };
  prepare(**source);
  if (exchange) prepare(**target);
  copy_up(parent);
  copy_up(new_parent);
  const Exclusive lock(tree_lock_);
  rename_nodes(parent, name, new_parent, new_name, exchange);
}

void Overlay::rename_nodes(Node& parent, const std::string& name, Node& new_parent, const std::string& new_name,
                           bool exchange) {
  const auto source = find(parent, name), target = find(new_parent, new_name);
  if (!source || !is_upper(source->top) || (exchange && (!target || !is_upper(target->top)))) throw Failure{ESTALE};
  const OpenObject from = directory_fd(parent, 0), to = directory_fd(new_parent, 0);
  const bool is_directory = S_ISDIR(source->status.st_mode);
  const bool source_covers = covers_lower(parent, name), target_covers = covers_lower(new_parent, new_name);
  // Known by another of its names, a node's place is not the one that changes.
  Node* moved = table_.find(parent, name);
  Node* replaced = target ? known_at(new_parent, new_name, *target) : nullptr;
  if (!exchange && target && S_ISDIR(target->status.st_mode)) {
    if (replaced == nullptr) throw Failure{ESTALE};
    check_empty(*replaced);
  }
  // A directory must not show at its new place what lower layers have there.
  if (is_directory && target_covers) make_opaque(from->get(), name);
  if (exchange && S_ISDIR(target->status.st_mode) && source_covers) make_opaque(to->get(), new_name);
  if (is_numbered(parent, from->get())) mark_numbered(new_parent, to->get());
  if (exchange && is_numbered(new_parent, to->get())) mark_numbered(parent, from->get());
  Fd pinned = replaced != nullptr && !exchange ? open_object(*replaced, O_PATH) : Fd();
  const DirectoryGrowth growth(*this, new_parent, to->get());
  rename_in_upper({from->get(), to->get(), name, new_name, is_directory, source_covers, exchange});
  if (exchange) {
    Node* other = table_.find(new_parent, new_name);
    return table_.exchange(moved, parent, name, other, new_parent, new_name);
  }
  if (replaced != nullptr) let_go(*replaced, new_parent, new_name, std::move(pinned));
  if (moved != nullptr) table_.move(*moved, new_parent, new_name);
}

}  // namespace sandbox::overlay
