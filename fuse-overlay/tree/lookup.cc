// Looking through the layers: what a name stands for, and what a directory contains.
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include <charconv>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::uint64_t kMqueueMagic = 0x19800202;   // ipc/mqueue.c
constexpr std::uint64_t kFuseCtlMagic = 0x65735543;  // fs/fuse/control.c
constexpr std::uint64_t kConfigFsMagic = 0x62656570;  // fs/configfs/mount.c

/// Their files act on the process that reads them: on the server instead of the container.
constexpr std::uint64_t kForeign[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,     CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,  TRACEFS_MAGIC,
    SECURITYFS_MAGIC, SELINUX_MAGIC,   SMACK_MAGIC,        BPF_FS_MAGIC,        BINFMTFS_MAGIC, EFIVARFS_MAGIC,
    PSTOREFS_MAGIC,   DEVPTS_SUPER_MAGIC, NSFS_MAGIC,      kMqueueMagic,        kFuseCtlMagic,  kConfigFsMagic};

char opaque_mark(int directory, const std::string& name) {
  char value = 0;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
  const auto size = sys::getxattr(path.c_str(), kOpaque, &value, 1, false);
  return size && *size == 1 ? value : '\0';
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

mode_t type_of(const dirent& entry) { return static_cast<mode_t>(DTTOIF(entry.d_type)); }

}  // namespace

bool Overlay::is_whiteout(int directory, const std::string& name, const struct stat& status) const {
  if (S_ISCHR(status.st_mode)) return status.st_rdev == makedev(0, 0);
  if (!S_ISREG(status.st_mode) || status.st_size != 0) return false;
  // Linux 6.7: an empty file with this attribute, in a directory that is marked to have such ones.
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
  return sys::getxattr(path.c_str(), kWhiteout, nullptr, 0, false) && opaque_mark(directory, ".") == 'x';
}

bool Overlay::is_opaque(int directory, const std::string& name) const { return opaque_mark(directory, name) == 'y'; }

bool Overlay::is_foreign(int directory, const std::string& name, dev_t device) {
  {
    const std::lock_guard lock(devices_mutex_);
    if (const auto known = devices_.find(device); known != devices_.end()) return known->second.foreign;
  }
  const Fd object = check(sys::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW));
  const auto type = static_cast<std::uint64_t>(check(sys::fstatfs(object.get())).f_type);
  const bool foreign = std::find(std::begin(kForeign), std::end(kForeign), type) != std::end(kForeign);
  const std::lock_guard lock(devices_mutex_);
  const auto next = devices_.size();
  return devices_.try_emplace(device, Device{next, foreign}).first->second.foreign;
}

std::uint64_t Overlay::ino_of(int directory, const std::string& name, const struct stat& status, LayerIndex layer) {
  if (is_upper(layer) && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
    char text[24];
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
    const auto size = sys::getxattr(path.c_str(), kOriginalIno, text, sizeof text, false);
    std::uint64_t number = 0;
    if (size && std::from_chars(text, text + *size, number).ec == std::errc{} && number != 0) return number;
  }
  const std::lock_guard lock(devices_mutex_);
  const auto known = devices_.find(status.st_dev);
  // Numbers of several file systems are kept apart above what any of them uses.
  return status.st_ino ^ ((known == devices_.end() ? 0 : known->second.number) << 52);
}

std::optional<Found> Overlay::find(const Node& parent, const std::string& name, std::size_t from) {
  if (parent.is_removed()) return {};
  std::optional<Found> found;
  for (std::size_t i = from; i < parent.layers.size(); ++i) {
    const LayerIndex layer = parent.layers[i];
    const DirectoryFd directory = directory_fd(parent, layer);
    const auto status = sys::fstatat(directory->get(), name.c_str(), AT_SYMLINK_NOFOLLOW);
    if (!status && status.error().value == ENOENT) continue;
    if (!status && found) break;
    if (!status) throw Failure{status.error().value};
    if (is_whiteout(directory->get(), name, *status)) break;
    const bool is_directory = S_ISDIR(status->st_mode);
    const bool foreign = status->st_dev != layers_[layer].device && is_foreign(directory->get(), name, status->st_dev);
    if (!is_directory && (found || foreign)) break;
    if (!found) found = Found{*status, ino_of(directory->get(), name, *status, layer), layer, {}};
    if (!is_directory || foreign) break;  // a foreign directory is a place to mount on, and empty
    found->layers.push_back(layer);
    if (i + 1 < parent.layers.size() && is_opaque(directory->get(), name)) break;
  }
  return found;
}

Entry Overlay::entry_for(Node& parent, const std::string& name, const Found& found) {
  BackingId shared;
  if (is_upper(found.top) && !S_ISDIR(found.status.st_mode)) shared = {found.status.st_dev, found.status.st_ino};
  Entry entry{&table_.obtain(parent, name, found, shared), found.status};
  show(entry.status, *entry.node);
  return entry;
}

Entry Overlay::entry_in_upper(Node& parent, int upper, const std::string& name) {
  Found found;
  found.status = check(sys::fstatat(upper, name.c_str(), AT_SYMLINK_NOFOLLOW));
  found.ino = ino_of(upper, name, found.status, 0);
  if (S_ISDIR(found.status.st_mode)) found.layers = {0};
  return entry_for(parent, name, found);
}

std::optional<Entry> Overlay::lookup(Node& parent, const std::string& name) {
  const Shared lock(tree_lock_);
  const auto found = find(parent, name);
  if (!found) return {};
  return entry_for(parent, name, *found);
}

void Overlay::list_layer(const Node& directory, LayerIndex layer, std::vector<DirectoryItem>& items,
                         std::unordered_set<std::string>& seen) {
  const DirectoryFd fd = directory_fd(directory, layer);
  Fd readable = check(sys::openat(fd->get(), ".", O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(readable.get()));
  if (!stream) throw Failure{errno};
  readable.release();
  const bool merged = directory.layers.size() > 1;
  const bool has_marked = opaque_mark(fd->get(), ".") == 'x';
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw Failure{errno};
      return;
    }
    DirectoryItem item{entry->d_name, entry->d_ino, type_of(*entry)};
    if (item.name == "." || item.name == ".." || (merged && seen.contains(item.name))) continue;
    // In the upper layer st_ino may be another than on disk.
    const bool unsure = item.type == 0 || S_ISCHR(item.type) || (has_marked && S_ISREG(item.type)) || is_upper(layer);
    bool hidden = false;
    if (unsure) {
      const auto status = sys::fstatat(fd->get(), item.name.c_str(), AT_SYMLINK_NOFOLLOW);
      if (!status) continue;
      item.type = status->st_mode & S_IFMT;
      item.ino = ino_of(fd->get(), item.name, *status, layer);
      hidden = is_whiteout(fd->get(), item.name, *status);
    }
    if (merged) seen.insert(item.name);
    if (!hidden) items.push_back(std::move(item));
  }
}

std::vector<DirectoryItem> Overlay::list(Node& directory) {
  const Shared lock(tree_lock_);
  const Node& above = directory.parent == nullptr ? directory : *directory.parent;
  std::vector<DirectoryItem> items{{".", directory.ino, S_IFDIR}, {"..", above.ino, S_IFDIR}};
  if (directory.is_removed()) return items;
  std::unordered_set<std::string> seen;
  for (const LayerIndex layer : directory.layers) list_layer(directory, layer, items, seen);
  return items;
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

bool Overlay::covers_lower(const Node& parent, const std::string& name) {
  return find(parent, name, !parent.layers.empty() && is_upper(parent.layers.front()) ? 1 : 0).has_value();
}

void Overlay::check_empty(const Node& directory) {
  std::vector<DirectoryItem> items;
  std::unordered_set<std::string> seen;
  for (const LayerIndex layer : directory.layers) list_layer(directory, layer, items, seen);
  if (!items.empty()) throw Failure{ENOTEMPTY};
}

}  // namespace sandbox::overlay
