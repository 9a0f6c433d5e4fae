// See merged_layers.h.
#include "fuse-overlay/store/merged_layers.h"

#include <sys/sysmacros.h>

#include <algorithm>

#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

}  // namespace

bool is_opaque(int directory) {
  char value = 0;
  const auto size = sys::fgetxattr(directory, "user.overlay.opaque", &value, 1);
  return size && *size == 1 && value == 'y';
}

bool is_whiteout(int directory, const char* name, const struct stat& status) {
  if (S_ISCHR(status.st_mode)) return status.st_rdev == makedev(0, 0);
  if (!S_ISREG(status.st_mode) || status.st_size != 0) return false;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
  return static_cast<bool>(sys::getxattr(path.c_str(), "user.overlay.whiteout", nullptr, 0, false));
}

std::vector<std::string> sorted_names(int directory) {
  std::vector<std::string> names = list_directory(fmt::format("/proc/self/fd/{}", directory));
  std::ranges::sort(names);
  return names;
}

MergedLayers::MergedLayers(std::vector<std::string> directories) : directories_(std::move(directories)) {}

MergedLayers::Parts MergedLayers::root() const {
  Parts parts;
  for (std::size_t layer = 0; layer < directories_.size(); ++layer) {
    const std::string& path = directories_[layer];
    const Fd root = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening layer '{}'", path);
    parts.push_back(layer);
    if (is_opaque(root.get())) break;
  }
  return parts;
}

MergedLayers::Directory MergedLayers::open(const std::string& path, const Parts& parts) const {
  Directory directory;
  for (const std::size_t layer : parts) {
    const std::string& fs = directories_[layer];
    Fd root = sys::openat(AT_FDCWD, fs.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening layer '{}'", fs);
    if (!path.empty()) {
      root = sys::openat2(root.get(), path.c_str(), kDirectory, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) |
             or_throw("opening '{}' of layer '{}'", printable(path), fs);
    }
    directory.parts_.emplace_back(layer, std::move(root));
  }
  return directory;
}

std::optional<MergedLayers::Seen> MergedLayers::Directory::find(const std::string& name) const {
  for (const auto& [layer, part] : parts_) {
    const auto status = sys::fstatat(part.get(), name.c_str(), AT_SYMLINK_NOFOLLOW);
    if (!status && status.error().value == ENOENT) continue;
    if (!status) throw SysError(status.error(), fmt::format("reading '{}' of a layer", printable(name)));
    if (is_whiteout(part.get(), name.c_str(), *status)) return {};
    return Seen{layer, *status};
  }
  return {};
}

std::map<std::string, MergedLayers::Seen> MergedLayers::Directory::entries() const {
  std::map<std::string, std::optional<Seen>> all;  // none: a whiteout
  for (const auto& [layer, part] : parts_) {
    for (std::string& name : sorted_names(part.get())) {
      if (all.contains(name)) continue;  // what a higher layer has said stays
      const auto status = sys::fstatat(part.get(), name.c_str(), AT_SYMLINK_NOFOLLOW);
      if (!status && status.error().value == ENOENT) continue;  // removed meanwhile
      if (!status) throw SysError(status.error(), fmt::format("reading '{}' of a layer", printable(name)));
      const bool hidden = is_whiteout(part.get(), name.c_str(), *status);
      all.emplace(std::move(name), hidden ? std::nullopt : std::optional(Seen{layer, *status}));
    }
  }
  std::map<std::string, Seen> visible;
  for (const auto& [name, seen] : all) {
    if (seen) visible.emplace_hint(visible.end(), name, *seen);
  }
  return visible;
}

MergedLayers::Parts MergedLayers::Directory::parts_of(const std::string& name) const {
  Parts parts;
  for (const auto& [layer, part] : parts_) {
    const auto directory = sys::openat(part.get(), name.c_str(), kDirectory);
    if (!directory && directory.error().value == ENOENT) continue;
    if (!directory) break;  // a file, a link or a whiteout
    parts.push_back(layer);
    if (is_opaque(directory->get())) break;
  }
  return parts;
}

bool MergedLayers::Directory::hides(const std::string& name, std::size_t layer) const {
  for (const auto& [number, part] : parts_) {
    if (number >= layer) break;
    if (sys::fstatat(part.get(), name.c_str(), AT_SYMLINK_NOFOLLOW)) return true;
  }
  return false;
}

int MergedLayers::Directory::of(std::size_t layer) const {
  for (const auto& [number, part] : parts_) {
    if (number == layer) return part.get();
  }
  return -1;
}

}  // namespace sandbox::overlay
