// Where an object is on disk: its layer's directory, reached name by name and never through a symbolic
// link, and its name there.
#include <errno.h>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

Overlay::Overlay(Settings settings)
    : work_(std::move(settings.work)),
      whiteout_files_(settings.whiteout_files),
      squash_(settings.squash),
      uids_(std::move(settings.uids)),
      gids_(std::move(settings.gids)),
      quota_(settings.quota),
      before_waiting_(std::move(settings.before_waiting)),
      table_(settings.open_capacity) {
  has_upper_ = static_cast<bool>(settings.upper);
  std::vector<Fd> roots;
  if (has_upper_) roots.push_back(std::move(settings.upper));
  for (Fd& lower : settings.lower) roots.push_back(std::move(lower));
  if (roots.empty() || roots.size() > UINT16_MAX) throw InvalidInput("overlay: no layer, or more than 65534");
  Node& root = table_.root();
  bool hidden = false;
  for (Fd& fd : roots) {
    const auto status = sys::fstat(fd.get()) | or_throw("overlay: reading a layer's directory");
    if (!S_ISDIR(status.st_mode)) throw InvalidInput("overlay: a layer is no directory");
    if (layers_.empty()) root.ino = status.st_ino;
    const auto next = devices_.size();
    devices_.try_emplace(status.st_dev, Device{next, false});
    const auto index = static_cast<LayerIndex>(layers_.size());
    if (!hidden) root.layers.push_back(index);
    hidden = hidden || is_opaque_by_file(index, fd.get(), ".");
    if (opaque_mark(fd.get(), ".") == kHasMarkedWhiteouts) root.marked.push_back(index);
    layers_.push_back({std::make_shared<const Fd>(std::move(fd)), status.st_dev});
  }
  root.type = S_IFDIR;
  links_ = std::vector<LayerLinks>(layers_.size());
  if (!has_upper_) return;
  const std::string upper = fmt::format("/proc/self/fd/{}", layers_.front().root->get());
  hides_links_ = sys::getxattr(upper.c_str(), kHidesLinks, nullptr, 0, true).has_value();
  prepare_work();
  if (!quota_.is_limited()) return;
  try {
    count_upper();
  } catch (const Failure& failure) {
    throw SysError(Errno{failure.error}, "overlay: counting what the upper layer holds");
  }
  table_.call_at_end([this](const Node& node) { forget_size(node); });
}

OpenObject Overlay::directory_fd(const Node& node, LayerIndex layer) {
  std::vector<const Node*> missing;
  OpenObject fd;
  for (const Node* at = &node;; at = at->parent) {
    if (at->parent == nullptr) {
      fd = layers_[layer].root;
    } else if (at->is_removed()) {
      if (at->top != layer) throw Failure{ENOENT};
      fd = OpenObject(OpenObject(), &at->pinned);  // not owned: the node outlives the operation
    } else {
      fd = table_.cached_open(*at, layer);
    }
    if (fd) break;
    missing.push_back(at);
  }
  for (; !missing.empty(); missing.pop_back()) {
    const Node& next = *missing.back();
    fd =
        std::make_shared<const Fd>(check(sys::openat(fd->get(), next.name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW)));
    table_.cache_open(next, layer, fd);
  }
  return fd;
}

Overlay::Location Overlay::locate(const Node& node) {
  if (node.is_removed()) return {nullptr, AT_FDCWD, fmt::format("/proc/self/fd/{}", node.pinned.get()), 0};
  const bool is_root = node.parent == nullptr;
  OpenObject hold = directory_fd(is_root ? node : *node.parent, node.top);
  const int directory = hold->get();
  return {std::move(hold), directory, is_root ? "." : node.name, AT_SYMLINK_NOFOLLOW};
}

std::string Overlay::Location::absolute() const {
  return directory == AT_FDCWD ? path : fmt::format("/proc/self/fd/{}/{}", directory, path);
}

Fd Overlay::open_object(const Node& node, int flags) {
  const Location at = locate(node);
  // O_NONBLOCK: a lower layer may be changed from outside, and opening a fifo would wait.
  flags |= O_NONBLOCK | (at.follow() ? 0 : O_NOFOLLOW);
  auto opened = sys::openat(at.directory, at.path.c_str(), flags);
  if (!opened && opened.error().value == EMFILE) {
    table_.drop_all_open();
    opened = sys::openat(at.directory, at.path.c_str(), flags);
  }
  return check(std::move(opened));
}

OpenObject Overlay::content(const Node& node) {
  if (OpenObject open = table_.cached_open(node, node.top)) return open;
  auto opened = std::make_shared<const Fd>(open_object(node, in_upper(node) ? O_RDWR : O_RDONLY));
  table_.cache_open(node, node.top, opened);
  return opened;
}

struct stat Overlay::disk_status(const Node& node) {
  if (node.is_removed()) return check(sys::fstat(node.pinned.get()));
  const Location at = locate(node);
  return check(sys::fstatat(at.directory, at.path.c_str(), at.flags));
}

struct stat Overlay::status_of(const Node& node) {
  struct stat status = disk_status(node);
  show(status, node);
  return status;
}

void Overlay::show(struct stat& status, const Node& node) const {
  status.st_ino = node.ino;
  if (node.is_directory()) {
    // As kernel overlayfs: the number of subdirectories of a merged directory isn't counted.
    if (node.layers.size() > 1) status.st_nlink = 1;
  } else {
    status.st_nlink -= std::min<nlink_t>(status.st_nlink, node.hidden_links);
  }
  status.st_uid = squash_ ? squash_->uid : uids_.shown(status.st_uid);
  status.st_gid = squash_ ? squash_->gid : gids_.shown(status.st_gid);
}

}  // namespace sandbox::overlay
