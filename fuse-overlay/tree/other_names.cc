// Files of lower layers that have several names: which of them the merged tree shows. Copy-up takes all of them along,
// and the number of links counts no others.
#include <errno.h>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

std::vector<Overlay::Name> Overlay::other_names(Node& node) {
  LayerIndex layer = 0;
  struct stat status {};
  {
    const Shared lock(tree_lock_);
    if (node.is_directory() || in_upper(node)) return {};
    layer = node.top;
    status = disk_status(node);
    if (!may_have_names(layer, status)) return {};
  }
  std::vector<Name> names;
  for (const std::string& path : read_links(layer, status.st_ino)) {
    std::optional<Name> name;
    {
      const Shared lock(tree_lock_);
      name = walk(path);
      if (!name || (name->parent.get() == node.parent && name->leaf == node.name)) continue;
      if (!is_same_lower(*name, layer, status)) continue;
    }
    copy_up(*name->parent);
    names.push_back(std::move(*name));
  }
  return names;
}

bool Overlay::may_have_names(LayerIndex layer, const struct stat& status) const {
  return !S_ISDIR(status.st_mode) && status.st_nlink > 1 && status.st_dev == layers_[layer].device;
}

const std::vector<std::string>& Overlay::read_links(LayerIndex layer, ino_t number) {
  announce_waiting();
  return links_[layer].names_of(layers_[layer].root->get(), number);
}

bool Overlay::is_same_lower(const Name& name, LayerIndex layer, const struct stat& status) {
  const auto found = find(*name.parent, name.leaf);
  return found && found->top == layer && found->status.st_ino == status.st_ino && found->status.st_dev == status.st_dev;
}

std::optional<Overlay::Name> Overlay::walk(const std::string& path) {
  Held at(*this, root());
  std::size_t begin = 0;
  for (std::size_t end; (end = path.find('/', begin)) != std::string::npos; begin = end + 1) {
    const std::string name = path.substr(begin, end - begin);
    const auto found = find(*at, name);
    if (!found || !S_ISDIR(found->status.st_mode)) return {};
    at = Held(*this, *entry_for(*at, name, *found).node);
  }
  return Name{std::move(at), path.substr(begin)};
}

void Overlay::count_hidden_links(Node& node, const struct stat& status, const std::vector<std::string>& paths) {
  nlink_t shown = 0;
  for (const std::string& path : paths) {
    const auto name = walk(path);
    shown += name && is_same_lower(*name, node.top, status) ? 1 : 0;
  }
  node.hidden_links = status.st_nlink - std::min(shown, status.st_nlink);
}

void Overlay::note_hidden_link() {
  if (hides_links_.exchange(true)) return;
  // Where there are no such attributes, the next mount counts the name again.
  (void)sys::setxattr(fmt::format("/proc/self/fd/{}", layers_.front().root->get()).c_str(), kHidesLinks, "y", 1, 0,
                      true);
}

}  // namespace sandbox::overlay
