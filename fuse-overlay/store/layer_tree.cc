// See layer_tree.h.
#include "fuse-overlay/store/layer_tree.h"

#include <dirent.h>
#include <linux/limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>
#include <memory>

#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/layer_records.h"
#include "fuse-overlay/store/lower_layers.h"
#include "fuse-overlay/store/owner_record.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::uint64_t strict = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
constexpr std::uint64_t in_root = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
constexpr int readable_directory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

Result<void> result_of(int status) {
  if (status == 0) return {};
  return std::unexpected(Errno{errno});
}

/// Opens the directory `path` ("" is the root itself) below `root` without following any link.
Result<Fd> open_directory(int root, const std::string& path, int flags) {
  return sys::openat2(root, path.empty() ? "." : path.c_str(), flags, strict);
}

std::string join(std::string_view directory, std::string_view leaf) {
  return directory.empty() ? std::string(leaf) : fmt::format("{}/{}", directory, leaf);
}

/// Sets an attribute that overlayfs reads: failing to is an error.
void set_overlay_xattr(int fd, const char* name, std::string_view value, const std::string& path) {
  if (::fsetxattr(fd, name, value.data(), value.size(), 0) == 0) return;
  throw SysError(
      Errno{errno}, fmt::format("setting {} on layer directory '{}'", name, printable(path)),
      "the store's file system must hold user.* extended attributes (ext4, xfs, btrfs; tmpfs since Linux 6.6)");
}

/// Removes the files of directory `path` below `root` and appends its subdirectories to `found`.
void remove_files(int root, const std::string& path, std::vector<std::pair<std::string, bool>>& found) {
  Fd fd = open_directory(root, path, readable_directory) | or_throw("opening layer directory '{}'", printable(path));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), &::closedir);
  if (!stream) throw SysError(Errno{errno}, "reading a layer directory");
  const int directory = fd.release();
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    auto removed = sys::unlinkat(directory, entry->d_name, 0);
    if (removed) continue;
    if (removed.error().value != EISDIR) throw SysError(removed.error(), "removing a replaced file of the layer");
    found.emplace_back(join(path, name), false);
  }
}

/// Removes the directory `path` below `root` with one descriptor, however deep it is.
void remove_directory(int root, const std::string& path) {
  std::vector<std::pair<std::string, bool>> todo{{path, false}};  // second: emptied already
  while (!todo.empty()) {
    const std::string current = todo.back().first;
    if (!todo.back().second) {
      todo.back().second = true;
      remove_files(root, current, todo);
      continue;
    }
    todo.pop_back();
    const Fd parent = open_directory(root, std::string(parent_of(current)), O_PATH | O_DIRECTORY) |
                      or_throw("opening the parent of '{}'", printable(current));
    sys::unlinkat(parent.get(), std::string(leaf_of(current)).c_str(), AT_REMOVEDIR) |
        or_throw("removing the replaced directory '{}'", printable(current));
  }
}

/// Erases `path` and everything below it from an ordered container.
template <class Container, class Key>
void erase_tree(Container& container, const std::string& path, Key key) {
  container.erase(path);
  const std::string prefix = path + "/";
  auto at = container.lower_bound(prefix);
  while (at != container.end() && key(*at).starts_with(prefix)) at = container.erase(at);
}

/// Beside the layer's own record: copy-up takes this one along, to whatever name the container gives the object. A file
/// system that can't hold it has the other one.
void note_owner(int fd, const EntryMetadata& metadata, bool directory) {
  const std::string text =
      format_owner_record({metadata.uid, metadata.gid, metadata.mode | (directory ? S_IFDIR : S_IFREG)});
  (void)sys::fsetxattr(fd, kOwnerAttribute, text.data(), text.size(), 0);
}

/// What an overlay has noted, and what the archive has, too. False when one stays.
bool drop_attributes(int file) {
  std::vector<char> names(XATTR_LIST_MAX);
  const ssize_t size = ::flistxattr(file, names.data(), names.size());
  if (size < 0) return errno == EOPNOTSUPP;
  for (std::string_view rest(names.data(), static_cast<std::size_t>(size)); !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(name.size() + 1);
    const bool of_layer = name.starts_with("user.") || name == "security.capability";
    if (of_layer && ::fremovexattr(file, name.c_str()) != 0) return false;
  }
  return true;
}

std::string hexadecimal(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

}  // namespace

LayerTree::LayerTree(int root_fd, bool change_owner)
    : root_(sys::openat(root_fd, ".", O_RDONLY | O_DIRECTORY) | or_throw("opening the layer directory")),
      change_owner_(change_owner) {}

void LayerTree::forget(const std::string& path) {
  erase_tree(records_, path, [](const auto& item) -> const std::string& { return item.first; });
  erase_tree(directory_times_, path, [](const auto& item) -> const std::string& { return item.first; });
  for (auto* names : {&whiteouts_, &implied_}) {
    erase_tree(*names, path, [](const std::string& item) -> const std::string& { return item; });
  }
  parent_known_ = false;  // what was removed may be a link on the way to the parent as asked for
}

/// Removes whatever is at `place`, never following it. Everything known about it is forgotten.
void LayerTree::clear_way(const Place& place) {
  auto removed = sys::unlinkat(place.parent, place.leaf.c_str(), 0);
  if (!removed && removed.error().value == EISDIR) {
    remove_directory(root_.get(), place.path);
  } else if (!removed && removed.error().value != ENOENT) {
    throw SysError(removed.error(), fmt::format("replacing '{}' in the layer", printable(place.path)));
  }
  if (removed || removed.error().value == EISDIR) {
    forget(place.path);
  } else {
    records_.erase(place.path);
  }
}

/// Makes the directory `path`, whose parent is `parent`, unless it is there. A whiteout there turns
/// into an opaque directory: both the whiteout and the new directory count.
void LayerTree::ensure_directory(int parent, const std::string& path) {
  const std::string leaf(leaf_of(path));
  const bool was_whiteout = whiteouts_.contains(path);
  if (was_whiteout) {
    sys::unlinkat(parent, leaf.c_str(), 0) | or_throw("replacing the whiteout '{}'", printable(path));
    whiteouts_.erase(path);
  }
  auto made = sys::mkdirat(parent, leaf.c_str(), 0755);
  if (!made && made.error().value == EEXIST) return;
  std::move(made) | or_throw("making layer directory '{}'", printable(path));
  const Fd fd = sys::openat(parent, leaf.c_str(), readable_directory) | or_throw("opening '{}'", printable(path));
  sys::fchmod(fd.get(), 0755) | or_throw("setting the mode of '{}'", printable(path));
  if (was_whiteout) hide_below(fd.get(), path);
}

/// Opens the directory `path`, making the missing parts; symbolic links lead to places inside the root.
Fd LayerTree::descend(const std::string& path) {
  auto whole = sys::openat2(root_.get(), path.empty() ? "." : path.c_str(), O_PATH | O_DIRECTORY, in_root);
  if (whole) return std::move(*whole);
  Fd current = sys::openat(root_.get(), ".", O_PATH | O_DIRECTORY) | or_throw("opening the layer directory");
  std::string done;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string prefix = path.substr(0, end);
    auto next = sys::openat2(root_.get(), prefix.c_str(), O_PATH | O_DIRECTORY, in_root);
    if (!next && (next.error().value == ENOENT || whiteouts_.contains(prefix))) {
      ensure_directory(current.get(), prefix);
      next = sys::openat2(root_.get(), prefix.c_str(), O_PATH | O_DIRECTORY, in_root);
      if (next) implied_.insert(true_path(next->get()));
    }
    if (!next) {
      throw InvalidInput(fmt::format("layer archive: parent '{}' of an entry is no directory: {}", printable(prefix),
                                     next.error().message()));
    }
    current = std::move(*next);
    start = end + 1;
  }
  return current;
}

/// The path of an open directory below the root, free of symbolic links.
std::string LayerTree::true_path(int fd) const {
  const auto link = [](int directory) {
    return sys::readlinkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", directory).c_str()) |
           or_throw("naming a layer directory");
  };
  const std::string root = link(root_.get()), found = link(fd);
  if (found != root && !found.starts_with(root + "/"))
    throw InvalidInput("layer archive: a parent lies outside the layer");
  return found == root ? std::string() : normalize_entry_path(found.substr(root.size()));
}

/// Points parent_ at the directory `path`, and parent_path_ at its path without symbolic links.
void LayerTree::open_parent(const std::string& path) {
  if (parent_known_ && parent_asked_ == path) return;
  parent_known_ = false;
  auto direct = open_directory(root_.get(), path, O_PATH | O_DIRECTORY);
  if (direct) {
    parent_ = std::move(*direct);
    parent_path_ = path;
  } else {
    parent_ = descend(path);
    parent_path_ = true_path(parent_.get());
  }
  parent_asked_ = path;
  parent_known_ = true;
}

LayerTree::Place LayerTree::locate(const std::string& path) {
  open_parent(std::string(parent_of(path)));
  Place place{parent_.get(), std::string(leaf_of(path)), {}};
  place.path = normalize_entry_path(join(parent_path_, place.leaf));
  return place;
}

/// True when the disk shows the entry's owner afterwards. An id that the namespace doesn't map is no error
/// (fchownat(2), EINVAL): images may use any 32-bit id.
bool LayerTree::give_owner(int dir, const char* leaf, int flags, const std::string& path,
                           const EntryMetadata& metadata) {
  const bool other = metadata.uid != 0 || metadata.gid != 0;
  saw_other_owners_ |= other;
  if (!change_owner_) return !other;
  const auto given = sys::fchownat(dir, leaf, metadata.uid, metadata.gid, flags);
  if (!given && given.error().value != EINVAL) {
    throw SysError(given.error(),
                   fmt::format("giving '{}' its owner {}:{}", printable(path), metadata.uid, metadata.gid));
  }
  return given.has_value();
}

void LayerTree::record(const std::string& path, const EntryMetadata& metadata, std::uint32_t disk_mode,
                       bool shown) {
  records_.erase(path);
  if (shown && metadata.mode == disk_mode) return;
  Json entry = Json::array({metadata.uid, metadata.gid, metadata.mode});
  if (!metadata.capability.empty()) entry.push_back(Json{{"capability", hexadecimal(metadata.capability)}});
  records_[path] = std::move(entry);
}

/// On disk the user keeps access to its files; the true mode is recorded when it differs.
void LayerTree::set_owner_and_mode(int fd, const std::string& path, const EntryMetadata& metadata, bool directory) {
  const bool owner = give_owner(fd, "", AT_EMPTY_PATH, path, metadata);
  std::uint32_t mode = metadata.mode;
  // Set-ID bits never for an owner that isn't the entry's.
  if (!change_owner_ || !owner) mode = directory ? (mode & 01777U) | 0700U : (mode & 0777U) | 0600U;
  sys::fchmod(fd, mode) | or_throw("setting the mode of '{}'", printable(path));
  set_acls(fd, metadata);  // after the mode, which would change their mask
  // File capabilities come last: a change of the owner drops them. They are the namespace's root's (capabilities(7)).
  const bool capability =
      change_owner_ && owner && !metadata.capability.empty() &&
      ::fsetxattr(fd, "security.capability", metadata.capability.data(), metadata.capability.size(), 0) == 0;
  record(path, metadata, mode, owner && (metadata.capability.empty() || capability));
  if (!change_owner_ && !owner) note_owner(fd, metadata, directory);
}

/// With one id they would mean other users of this machine. Where the file system has none, or the namespace not all
/// ids, the mode alone holds.
void LayerTree::set_acls(int fd, const EntryMetadata& metadata) const {
  if (!change_owner_) return;
  for (const auto& [name, value] : metadata.acls) (void)sys::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0);
}

void LayerTree::set_xattrs(int fd, const std::string& path, const EntryMetadata& metadata) {
  for (const auto& [name, value] : metadata.xattrs) {
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) continue;
    // Attributes of the user are a nicety; a file system without them still holds the layer.
    if (errno == EOPNOTSUPP || errno == EPERM) continue;
    throw SysError(Errno{errno}, fmt::format("setting {} on '{}'", printable(name), printable(path)));
  }
}

void LayerTree::make_directory(const std::string& path, const EntryMetadata& metadata) {
  Fd fd;
  std::string resolved;
  if (path.empty()) {
    fd = sys::dup(root_.get()) | or_throw("opening the layer directory");
  } else {
    const Place place = locate(path);
    resolved = place.path;
    auto existing = sys::fstatat(place.parent, place.leaf.c_str(), AT_SYMLINK_NOFOLLOW);
    if (existing && !S_ISDIR(existing->st_mode) && !whiteouts_.contains(resolved)) clear_way(place);
    ensure_directory(place.parent, resolved);
    fd = sys::openat(place.parent, place.leaf.c_str(), readable_directory) | or_throw("opening '{}'", printable(path));
  }
  describe_directory(fd.get(), resolved, metadata);
}

void LayerTree::describe_directory(int fd, const std::string& path, const EntryMetadata& metadata) {
  set_xattrs(fd, path, metadata);
  set_owner_and_mode(fd, path, metadata, true);
  if (metadata.mtime) directory_times_[path] = *metadata.mtime;
  implied_.erase(path);
}

Fd LayerTree::create_file(const std::string& path) {
  const Place place = locate(path);
  clear_way(place);
  return sys::openat(place.parent, place.leaf.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) |
         or_throw("creating '{}' in the layer", printable(path));
}

Fd LayerTree::take_file(const std::string& path, int directory, std::int64_t size) {
  const auto from = open_directory(directory, std::string(parent_of(path)), O_PATH | O_DIRECTORY);
  if (!from) return {};
  const std::string name(leaf_of(path));
  const auto status = sys::fstatat(from->get(), name.c_str(), AT_SYMLINK_NOFOLLOW);
  if (!status || !S_ISREG(status->st_mode) || status->st_size != size) return {};
  const Place place = locate(path);
  clear_way(place);
  const char* leaf = place.leaf.c_str();
  if (!sys::renameat2(from->get(), name.c_str(), place.parent, leaf, RENAME_NOREPLACE)) return {};
  if (::fchmodat(place.parent, leaf, 0600, 0) != 0) return {};
  auto file = sys::openat(place.parent, leaf, O_WRONLY | O_NOFOLLOW);
  if (!file || !drop_attributes(file->get())) return {};
  return std::move(*file);
}

void LayerTree::finish_file(int fd, const std::string& path, const EntryMetadata& metadata) {
  const Place place = locate(path);
  set_xattrs(fd, place.path, metadata);
  set_owner_and_mode(fd, place.path, metadata, false);
  if (!metadata.mtime) return;
  const timespec times[2] = {*metadata.mtime, *metadata.mtime};
  result_of(::futimens(fd, times)) | or_throw("setting the times of '{}'", printable(path));
}

void LayerTree::set_times(int dir, const char* leaf, const std::string& path, const EntryMetadata& metadata) {
  if (!metadata.mtime) return;
  const timespec times[2] = {*metadata.mtime, *metadata.mtime};
  result_of(::utimensat(dir, leaf, times, AT_SYMLINK_NOFOLLOW)) |
      or_throw("setting the times of '{}'", printable(path));
}

void LayerTree::make_symlink(const std::string& path, const std::string& target, const EntryMetadata& metadata) {
  if (target.empty())
    throw InvalidInput(fmt::format("layer archive: symbolic link '{}' has no target", printable(path)));
  const Place place = locate(path);
  clear_way(place);
  const char* leaf = place.leaf.c_str();
  sys::symlinkat(target.c_str(), place.parent, leaf) | or_throw("making symbolic link '{}'", printable(path));
  const bool owner = give_owner(place.parent, leaf, AT_SYMLINK_NOFOLLOW, path, metadata);
  record(place.path, metadata, metadata.mode, owner);  // a link's mode means nothing
  set_times(place.parent, leaf, path, metadata);
}

void LayerTree::make_hard_link(const std::string& path, const std::string& target) {
  const Place from = locate(target);
  const auto refuse = [&](const char* reason) {
    throw InvalidInput(
        fmt::format("layer archive: hard link '{}' to '{}': {}", printable(path), printable(target), reason));
  };
  const auto found = sys::fstatat(from.parent, from.leaf.c_str(), AT_SYMLINK_NOFOLLOW);
  const auto known = records_.find(from.path);
  const Json copied = known == records_.end() ? Json() : known->second;
  if (whiteouts_.contains(from.path)) refuse("the target is a whiteout");
  if (found && S_ISDIR(found->st_mode)) refuse("the target is a directory");
  if (!found && copied.is_null()) refuse("no such target in this layer");
  // Another operation moves parent_, so the source's parent is held by a descriptor of its own.
  const Fd from_parent = sys::dup(from.parent) | or_throw("holding a layer directory");
  const Place to = locate(path);
  if (to.path == from.path) return;
  const auto there = sys::fstatat(to.parent, to.leaf.c_str(), AT_SYMLINK_NOFOLLOW);
  if (found && there && there->st_ino == found->st_ino && there->st_dev == found->st_dev) return;
  if (from.path.starts_with(to.path + "/")) refuse("it would replace the directory of its target");
  clear_way(to);
  if (found) {
    sys::linkat(from_parent.get(), from.leaf.c_str(), to.parent, to.leaf.c_str()) |
        or_throw("making hard link '{}' to '{}'", printable(path), printable(target));
  }
  if (!copied.is_null()) records_[to.path] = copied;
}

void LayerTree::make_fifo(const std::string& path, const EntryMetadata& metadata) {
  const Place place = locate(path);
  clear_way(place);
  const char* leaf = place.leaf.c_str();
  sys::mknodat(place.parent, leaf, S_IFIFO | 0600, 0) | or_throw("making fifo '{}'", printable(path));
  const bool owner = give_owner(place.parent, leaf, AT_SYMLINK_NOFOLLOW, path, metadata);
  const std::uint32_t mode = change_owner_ && owner ? metadata.mode : (metadata.mode & 0777U) | 0600U;
  result_of(::fchmodat(place.parent, leaf, mode, 0)) | or_throw("setting the mode of '{}'", printable(path));
  record(place.path, metadata, mode, owner);
  set_times(place.parent, leaf, path, metadata);
}

void LayerTree::record_device(const std::string& path, const EntryMetadata& metadata, char type, unsigned major,
                              unsigned minor) {
  const Place place = locate(path);
  clear_way(place);
  records_[place.path] = Json::array({metadata.uid, metadata.gid, metadata.mode,
                                      Json{{"type", std::string(1, type)}, {"rdev", Json::array({major, minor})}}});
}

void LayerTree::hide_below(int directory, const std::string& path) {
  set_overlay_xattr(directory, "user.overlay.opaque", "y", path);
}

void LayerTree::make_opaque(const std::string& path) {
  std::string true_path;
  Fd fd;
  if (path.empty()) {
    fd = sys::dup(root_.get()) | or_throw("opening the layer directory");
  } else {
    const Place place = locate(join(path, "x"));  // the directory is the parent of any name in it
    fd = sys::openat(place.parent, ".", readable_directory) | or_throw("opening '{}'", printable(path));
    true_path = parent_path_;
  }
  hide_below(fd.get(), true_path);
  // Whiteouts in an opaque directory say nothing, and in the form of marked files they would show.
  const std::string prefix = true_path.empty() ? std::string() : true_path + "/";
  for (auto at = whiteouts_.lower_bound(prefix); at != whiteouts_.end() && at->starts_with(prefix);) {
    const std::string name = at->substr(prefix.size());
    if (name.find('/') == std::string::npos) {
      sys::unlinkat(fd.get(), name.c_str(), 0) | or_throw("removing whiteout '{}'", printable(*at));
      at = whiteouts_.erase(at);
    } else {
      ++at;
    }
  }
}

void LayerTree::make_whiteout(const std::string& path) {
  const Place place = locate(path);
  const char* leaf = place.leaf.c_str();
  if (whiteouts_.contains(place.path)) return;
  if (const auto there = sys::fstatat(place.parent, leaf, AT_SYMLINK_NOFOLLOW)) {
    if (S_ISDIR(there->st_mode)) {
      const Fd fd = sys::openat(place.parent, leaf, readable_directory) | or_throw("opening '{}'", printable(path));
      hide_below(fd.get(), place.path);
    }
    return;
  }
  // A character device 0:0 needs no privilege since Linux 5.8.
  auto made = sys::mknodat(place.parent, leaf, S_IFCHR | 0600, makedev(0, 0));
  if (!made && made.error().value == EPERM) {
    // Where device nodes are forbidden altogether: the form of Linux 6.7, an empty marked file.
    const Fd parent = sys::openat(place.parent, ".", readable_directory) | or_throw("opening a layer directory");
    char value = 0;
    if (::fgetxattr(parent.get(), "user.overlay.opaque", &value, 1) == 1 && value == 'y') return;
    const Fd file = sys::openat(place.parent, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) |
                    or_throw("making whiteout '{}'", printable(path));
    set_overlay_xattr(file.get(), "user.overlay.whiteout", "y", place.path);
    set_overlay_xattr(parent.get(), "user.overlay.opaque", "x", path);
  } else {
    std::move(made) | or_throw("making whiteout '{}'", printable(path));
  }
  whiteouts_.insert(place.path);
}

void LayerTree::adopt_implied(const std::function<LowerLayers()>& lower) {
  if (implied_.empty()) return;
  LowerLayers layers = lower();
  for (const std::string& path : std::set<std::string>(implied_)) {
    const auto metadata = layers.directory(path);
    if (!metadata) continue;
    const Fd fd = open_directory(root_.get(), path, readable_directory) | or_throw("opening '{}'", printable(path));
    describe_directory(fd.get(), path, *metadata);
  }
}

Json LayerTree::finish() {
  for (const auto& [path, mtime] : directory_times_) {
    const Fd fd = open_directory(root_.get(), path, readable_directory) | or_throw("opening '{}'", printable(path));
    const timespec times[2] = {mtime, mtime};
    result_of(::futimens(fd.get(), times)) | or_throw("setting the times of '{}'", printable(path));
  }
  Json owners = Json::object();
  for (auto& [path, entry] : records_) owners[path.empty() ? "." : record_key(path)] = std::move(entry);
  return owners;
}

}  // namespace sandbox::overlay
