// What a directory contains.
#include <errno.h>

#include "fuse-overlay/tree/directory_stream.h"
#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

mode_t type_of(const dirent& entry) { return static_cast<mode_t>(DTTOIF(entry.d_type)); }

/// Cookies of 31 bits, for 32-bit programs (readdir(3), EOVERFLOW). Of two names with the same one, which are rare, the
/// second gets the next: a reader who goes on after a change could miss one only if the listing wasn't kept.
void set_cookies(std::vector<DirectoryItem>& items) {
  for (DirectoryItem& item : items) {
    item.cookie = static_cast<off_t>(3 + (std::hash<std::string>()(item.name) & 0x3fffffff));
  }
  std::sort(items.begin(), items.end(), [](const DirectoryItem& a, const DirectoryItem& b) {
    return a.cookie != b.cookie ? a.cookie < b.cookie : a.name < b.name;
  });
  for (std::size_t i = 1; i < items.size(); ++i) items[i].cookie = std::max(items[i].cookie, items[i - 1].cookie + 1);
}

}  // namespace

void Overlay::list_layer(Node& directory, LayerIndex layer, std::size_t most, Items& items,
                         std::unordered_set<std::string>& seen) {
  const OpenObject fd = directory_fd(directory, layer);
  const DirectoryStream stream = check(open_stream(fd->get(), "."));
  const bool is_last = layer == directory.layers.back(), is_first = layer == directory.layers.front();
  const bool has_marked = has_marked_whiteouts(directory, layer);
  const bool has_files = whiteout_files_ && !is_upper(layer);
  std::vector<std::string> hidden_below;
  const bool numbered = is_upper(layer) && is_numbered(directory, fd->get());
  while (items.size() < most) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) throw Failure{errno};
    if (entry == nullptr) break;
    if (is_dot(entry->d_name)) continue;
    if (const std::string_view name = entry->d_name; has_files && name.starts_with(kWhiteoutFilePrefix)) {
      hidden_below.emplace_back(name.substr(kWhiteoutFilePrefix.size()));
      continue;
    }
    DirectoryItem item{entry->d_name, own_ino(layers_[layer].device, entry->d_ino), type_of(*entry)};
    if (!is_first && seen.contains(item.name)) continue;
    bool hidden = false;
    if (item.type == 0 || S_ISCHR(item.type) || (has_marked && S_ISREG(item.type)) || numbered) {
      const auto status = sys::fstatat(fd->get(), item.name.c_str(), AT_SYMLINK_NOFOLLOW);
      if (!status) continue;
      item.type = status->st_mode & S_IFMT;
      item.ino = ino_of(directory, fd->get(), item.name, *status, layer);
      hidden = is_whiteout(directory, layer, fd->get(), item.name, *status);
    }
    if (!is_last) seen.insert(item.name);
    if (!hidden) items.push_back(std::move(item));
  }
  seen.insert(hidden_below.begin(), hidden_below.end());
}

Overlay::Items Overlay::list_merged(Node& directory, std::size_t most) {
  Items items;
  std::unordered_set<std::string> seen;
  if (directory.is_removed()) return items;
  for (const LayerIndex layer : directory.layers) list_layer(directory, layer, most, items, seen);
  return items;
}

Overlay::Items Overlay::sorted(Node& directory, Items items) const {
  set_cookies(items);
  const Node& above = directory.parent == nullptr ? directory : *directory.parent;
  items.insert(items.begin(), {{".", directory.ino, S_IFDIR, 1}, {"..", above.ino, S_IFDIR, 2}});
  return items;
}

std::shared_ptr<const Listing> Overlay::list(Node& directory, bool anew) {
  if (anew) finish_listing_ahead(directory);
  const Shared lock(tree_lock_);
  if (auto kept = table_.kept_listing(directory)) {
    if (!anew || (kept->as_of && changes_.is_still(*kept->as_of))) return kept;
  }
  auto listing = std::make_shared<const Listing>(Listing{sorted(directory, list_merged(directory)), {}, {}});
  table_.keep_listing(directory, listing);
  return listing;
}

void Overlay::sync_directory(Node& directory) {
  Fd upper;
  {
    const Shared lock(tree_lock_);
    if (!in_upper(directory)) return;  // lower layers don't change
    upper = open_object(directory, O_RDONLY | O_DIRECTORY);
  }
  announce_waiting();
  check(sys::fsync(upper.get()));
}

void Overlay::check_empty(Node& directory) {
  if (!list_merged(directory).empty()) throw Failure{ENOTEMPTY};
}

}  // namespace sandbox::overlay
