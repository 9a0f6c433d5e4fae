// Where an object is on disk: its layer's directory, reached name by name and never through a symbolic
// link, and its name there.
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

Overlay::Overlay(Settings settings)
    : work_(std::move(settings.work)),
      squash_(settings.squash),
      before_waiting_(std::move(settings.before_waiting)),
      table_(settings.directory_capacity) {
  has_upper_ = static_cast<bool>(settings.upper);
  std::vector<Fd> roots;
  if (has_upper_) roots.push_back(std::move(settings.upper));
  for (Fd& lower : settings.lower) roots.push_back(std::move(lower));
  if (roots.empty() || roots.size() > UINT16_MAX) throw InvalidInput("overlay: no layer, or more than 65534");
  Node& root = table_.root();
  for (Fd& fd : roots) {
    const auto status = sys::fstat(fd.get()) | or_throw("overlay: reading a layer's directory");
    if (!S_ISDIR(status.st_mode)) throw InvalidInput("overlay: a layer is no directory");
    if (layers_.empty()) root.ino = status.st_ino;
    const auto next = devices_.size();
    devices_.try_emplace(status.st_dev, Device{next, false});
    root.layers.push_back(static_cast<LayerIndex>(layers_.size()));
    layers_.push_back({std::make_shared<const Fd>(std::move(fd)), status.st_dev});
  }
  root.type = S_IFDIR;
  if (has_upper_) prepare_work();
}

DirectoryFd Overlay::directory_fd(const Node& node, LayerIndex layer) {
  std::vector<const Node*> missing;
  DirectoryFd fd;
  for (const Node* at = &node;; at = at->parent) {
    if (at->parent == nullptr) {
      fd = layers_[layer].root;
    } else if (at->is_removed()) {
      if (at->top != layer) throw Failure{ENOENT};
      fd = DirectoryFd(DirectoryFd(), &at->pinned);  // not owned: the node outlives the operation
    } else {
      fd = table_.cached_directory(*at, layer);
    }
    if (fd) break;
    missing.push_back(at);
  }
  for (; !missing.empty(); missing.pop_back()) {
    const Node& next = *missing.back();
    fd = std::make_shared<const Fd>(
        check(sys::openat(fd->get(), next.name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW)));
    table_.cache_directory(next, layer, fd);
  }
  return fd;
}

Overlay::Location Overlay::locate(const Node& node) {
  if (node.is_removed()) return {nullptr, AT_FDCWD, fmt::format("/proc/self/fd/{}", node.pinned.get()), 0};
  const bool is_root = node.parent == nullptr;
  DirectoryFd hold = directory_fd(is_root ? node : *node.parent, node.top);
  const int directory = hold->get();
  return {std::move(hold), directory, is_root ? "." : node.name, AT_SYMLINK_NOFOLLOW};
}

std::string Overlay::Location::absolute() const {
  return directory == AT_FDCWD ? path : fmt::format("/proc/self/fd/{}/{}", directory, path);
}

Fd Overlay::open_object(const Node& node, int flags) {
  const Location at = locate(node);
  // O_NONBLOCK: a lower layer may be changed from outside, and opening a fifo would wait.
  return check(sys::openat(at.directory, at.path.c_str(), flags | O_NONBLOCK | (at.follow() ? 0 : O_NOFOLLOW)));
}

struct stat Overlay::status_of(const Node& node) {
  const Location at = locate(node);
  auto status = at.follow() ? sys::fstat(node.pinned.get())
                            : sys::fstatat(at.directory, at.path.c_str(), at.flags);
  struct stat found = check(std::move(status));
  show(found, node);
  return found;
}

void Overlay::show(struct stat& status, const Node& node) const {
  status.st_ino = node.ino;
  if (node.is_directory()) {
    // As kernel overlayfs: the number of subdirectories of a merged directory isn't counted.
    if (node.layers.size() > 1) status.st_nlink = 1;
  } else if (node.is_removed() && !in_upper(node) && status.st_nlink > 0) {
    --status.st_nlink;
  }
  if (!squash_) return;
  status.st_uid = squash_->uid;
  status.st_gid = squash_->gid;
}

}  // namespace sandbox::overlay
