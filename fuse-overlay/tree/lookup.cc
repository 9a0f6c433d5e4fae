// Looking through the layers: what a name stands for.
#include <errno.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include <charconv>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::uint64_t kMqueueMagic = 0x19800202;    // ipc/mqueue.c
constexpr std::uint64_t kFuseCtlMagic = 0x65735543;   // fs/fuse/control.c
constexpr std::uint64_t kConfigFsMagic = 0x62656570;  // fs/configfs/mount.c

/// Their files act on the process that reads them: on the server instead of the container.
constexpr std::uint64_t kForeign[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,        CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,  TRACEFS_MAGIC,
    SECURITYFS_MAGIC, SELINUX_MAGIC,      SMACK_MAGIC,        BPF_FS_MAGIC,        BINFMTFS_MAGIC, EFIVARFS_MAGIC,
    PSTOREFS_MAGIC,   DEVPTS_SUPER_MAGIC, NSFS_MAGIC,         kMqueueMagic,        kFuseCtlMagic,  kConfigFsMagic};

std::string proc_path(int directory, const std::string& name) {
  return fmt::format("/proc/self/fd/{}/{}", directory, name);
}

bool exists(int directory, const std::string& path) {
  return sys::fstatat(directory, path.c_str(), AT_SYMLINK_NOFOLLOW).has_value();
}

}  // namespace

char opaque_mark(int directory, const std::string& name) {
  char value = 0;
  const auto size = sys::getxattr(proc_path(directory, name).c_str(), kOpaque, &value, 1, false);
  return size && *size == 1 ? value : '\0';
}

bool Overlay::has_marked_whiteouts(const Node& directory, LayerIndex layer) const {
  if (is_upper(layer) && marks_whiteouts_) return true;
  return std::find(directory.marked.begin(), directory.marked.end(), layer) != directory.marked.end();
}

bool Overlay::is_mark(int directory, const std::string& name, const struct stat& status) {
  if (S_ISCHR(status.st_mode)) return status.st_rdev == makedev(0, 0);
  if (!S_ISREG(status.st_mode) || status.st_size != 0) return false;
  return sys::getxattr(proc_path(directory, name).c_str(), kWhiteout, nullptr, 0, false).has_value();
}

bool Overlay::is_whiteout(const Node& parent, LayerIndex layer, int directory, const std::string& name,
                          const struct stat& status) const {
  return (S_ISCHR(status.st_mode) || has_marked_whiteouts(parent, layer)) && is_mark(directory, name, status);
}

bool Overlay::hides_by_file(LayerIndex layer, int directory, const std::string& name) const {
  return whiteout_files_ && !is_upper(layer) && exists(directory, std::string(kWhiteoutFilePrefix) + name);
}

bool Overlay::is_opaque_by_file(LayerIndex layer, int directory, const std::string& name) const {
  return whiteout_files_ && !is_upper(layer) && exists(directory, name + "/" + kOpaqueFile);
}

void Overlay::check_new_name(const std::string& name) const {
  if (whiteout_files_ && name.starts_with(kWhiteoutFilePrefix)) throw Failure{EINVAL};
}

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

bool Overlay::is_numbered(Node& directory, int upper) const {
  const Node::Numbered known = directory.numbered.load(std::memory_order_relaxed);
  if (known != Node::Numbered::unknown) return known == Node::Numbered::yes;
  const bool found = sys::getxattr(proc_path(upper, ".").c_str(), kNumbered, nullptr, 0, false).has_value();
  directory.numbered.store(found ? Node::Numbered::yes : Node::Numbered::no, std::memory_order_relaxed);
  return found;
}

std::uint64_t Overlay::ino_of(Node& parent, int directory, const std::string& name, const struct stat& status,
                              LayerIndex layer) {
  if (is_upper(layer) && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) && is_numbered(parent, directory)) {
    char text[24];
    const auto size = sys::getxattr(proc_path(directory, name).c_str(), kOriginalIno, text, sizeof text, false);
    std::uint64_t number = 0;
    if (size && std::from_chars(text, text + *size, number).ec == std::errc{} && number != 0) return number;
  }
  return own_ino(status.st_dev, status.st_ino);
}

std::uint64_t Overlay::own_ino(dev_t device, ino_t number) {
  const std::lock_guard lock(devices_mutex_);
  const auto known = devices_.find(device);
  // Numbers of several file systems are kept apart above what any of them uses.
  return number ^ ((known == devices_.end() ? 0 : known->second.number) << 52);
}

std::optional<Found> Overlay::find(Node& parent, const std::string& name, std::size_t from) {
  if (parent.is_removed()) return {};
  const bool is_whiteout_file = whiteout_files_ && name.starts_with(kWhiteoutFilePrefix);
  std::optional<Found> found;
  for (std::size_t i = from; i < parent.layers.size(); ++i) {
    const LayerIndex layer = parent.layers[i];
    if (is_whiteout_file && !is_upper(layer)) break;
    const OpenObject directory = directory_fd(parent, layer);
    const auto status = sys::fstatat(directory->get(), name.c_str(), AT_SYMLINK_NOFOLLOW);
    const bool absent = !status && status.error().value == ENOENT;
    const bool hides = hides_by_file(layer, directory->get(), name);
    if (absent && hides) break;
    if (absent) continue;
    if (!status && found) break;
    if (!status) throw Failure{status.error().value};
    if (is_whiteout(parent, layer, directory->get(), name, *status)) break;
    const bool is_directory = S_ISDIR(status->st_mode);
    const bool foreign = status->st_dev != layers_[layer].device && is_foreign(directory->get(), name, status->st_dev);
    if (!is_directory && (found || foreign)) break;
    if (!found) found = Found{*status, ino_of(parent, directory->get(), name, *status, layer), layer, {}, {}};
    if (!is_directory || foreign) break;  // a foreign directory is a place to mount on, and empty
    found->layers.push_back(layer);
    if (i + 1 == parent.layers.size()) break;
    const char mark = opaque_mark(directory->get(), name);
    if (mark == kHasMarkedWhiteouts) found->marked.push_back(layer);
    if (mark == kIsOpaque || hides || is_opaque_by_file(layer, directory->get(), name)) break;
  }
  return found;
}

Entry Overlay::entry_for(Node& parent, const std::string& name, const Found& found) {
  Entry entry{&table_.obtain(parent, name, found), found.status};
  show(entry.status, *entry.node);
  return entry;
}

Entry Overlay::entry_of_new(Node& parent, const std::string& name, const struct stat& status) {
  Found found{status, own_ino(status.st_dev, status.st_ino), 0, {}, {}};
  if (S_ISDIR(status.st_mode)) found.layers = {0};
  const Entry entry = entry_for(parent, name, found);
  entry.node->numbered.store(Node::Numbered::no, std::memory_order_relaxed);
  entry.node->capability = Node::Capability::absent;
  count_new(*entry.node, status);
  return entry;
}

bool Overlay::has_hidden_links(const Found& found) const {
  return hides_links_ && !is_upper(found.top) && may_have_names(found.top, found.status);
}

std::optional<Entry> Overlay::lookup(Node& parent, const std::string& name) {
  std::optional<Found> found;
  {
    const Shared lock(tree_lock_);
    found = find(parent, name);
    if (!found) return {};
    if (!has_hidden_links(*found)) return entry_for(parent, name, *found);
  }
  const auto& paths = read_links(found->top, found->status.st_ino);
  const Shared lock(tree_lock_);
  found = find(parent, name);
  if (!found) return {};
  Entry entry = entry_for(parent, name, *found);
  if (is_upper(found->top)) return entry;
  count_hidden_links(*entry.node, found->status, paths);
  entry.status = found->status;
  show(entry.status, *entry.node);
  return entry;
}

bool Overlay::covers_lower(Node& parent, const std::string& name) {
  return find(parent, name, !parent.layers.empty() && is_upper(parent.layers.front()) ? 1 : 0).has_value();
}

}  // namespace sandbox::overlay
