#include "userns/mounts.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/mount.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "sandbox/base/sys.h"
#include "userns/copy_up.h"
#include "userns/devices.h"
#include "userns/id_mapping.h"
#include "userns/others_mounts.h"
#include "userns/root.h"

namespace sandbox::userns {
namespace {

constexpr std::uint64_t in_root = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
constexpr int max_links = 40;  // as the kernel's own limit, path_resolution(7)

std::uint64_t attributes_of(const MountOp& op) {
  std::uint64_t set = 0;
  if (op.read_only) set |= MOUNT_ATTR_RDONLY;
  if (op.no_suid) set |= MOUNT_ATTR_NOSUID;
  if (op.no_dev && op.kind != MountKind::devpts) set |= MOUNT_ATTR_NODEV;  // terminals are devices
  if (op.no_exec) set |= MOUNT_ATTR_NOEXEC;
  return set;
}

void set_attributes(int mount, const MountOp& op) {
  const bool own = op.own.set != 0 || op.own.clear != 0;
  if (own) sys::mount_setattr(mount, op.own.set, op.own.clear, false) | or_throw("mount options of '{}'", op.target);
  const bool tree = op.tree.set != 0 || op.tree.clear != 0;
  if (tree) sys::mount_setattr(mount, op.tree.set, op.tree.clear, true) | or_throw("mount options of '{}'", op.target);
}

void set_propagation(int mount, const MountOp& op) {
  if (op.propagation == 0) return;
  sys::mount_setattr(mount, 0, 0, op.propagation_of_tree, op.propagation) | or_throw("propagation of '{}'", op.target);
}

/// Where the symbolic link at `path` leads, below the root; `path` itself when it is none.
std::string follow_link(int parent, const std::string& path) {
  const auto target = sys::readlinkat(parent, name_of(path).c_str());
  if (!target) return path;
  return target->starts_with('/') ? *target : parent_of(path) + "/" + *target;
}

/// mkdir -p of `path`. None where a symbolic link on the way leads nowhere: then `path` becomes what it leads to.
Fd make_missing(int root, std::string& path) {
  std::string done = "/";
  Fd directory = open_in_root(root, done, O_PATH | O_DIRECTORY);
  for (std::size_t begin = 0; begin < path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    done += (done.size() > 1 ? "/" : "") + part;
    auto next = sys::openat2(root, done.c_str(), O_PATH | O_DIRECTORY, in_root);
    if (!next && next.error().value == ENOENT) {
      const auto made = sys::mkdirat(directory.get(), part.c_str(), 0755);
      if (!made && made.error().value != EEXIST) throw SysError(made.error(), fmt::format("creating '{}'", done));
      next = sys::openat2(root, done.c_str(), O_PATH | O_DIRECTORY, in_root);
      if (!made && !next && next.error().value == ENOENT) {
        path = follow_link(directory.get(), done) + "/" + path.substr(std::min(begin, path.size()));
        return {};
      }
    }
    if (!next) throw SysError(next.error(), fmt::format("opening '{}' in the container", done));
    directory = std::move(*next);
  }
  return directory;
}

/// A regular file to mount on; an existing object of any kind but a directory is used as it is. A link that leads
/// nowhere, such as /etc/resolv.conf of many distributions, gets the file that it names.
Fd make_file_in_root(int root, const std::string& path) {
  std::string place = path;
  for (int links = 0; links < max_links; ++links) {
    auto existing = sys::openat2(root, place.c_str(), O_PATH, in_root);
    if (existing) return std::move(*existing);
    if (existing.error().value != ENOENT) throw SysError(existing.error(), fmt::format("opening '{}' in the container", path));
    const Fd parent = make_directory_in_root(root, parent_of(place));
    const auto made = sys::openat(parent.get(), name_of(place).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    if (!made && made.error().value != EEXIST) throw SysError(made.error(), fmt::format("creating '{}'", path));
    if (!made) place = follow_link(parent.get(), place);
  }
  throw SysError(Errno{ELOOP}, fmt::format("opening '{}' in the container", path));
}

/// "size=64m,mode=1777" → fsconfig parameters.
void configure(int fs, std::string_view data, const std::string& target) {
  while (!data.empty()) {
    const auto comma = data.find(',');
    const std::string option(data.substr(0, comma));
    data = comma == std::string_view::npos ? std::string_view{} : data.substr(comma + 1);
    if (option.empty()) continue;
    const auto equals = option.find('=');
    const auto set = equals == std::string::npos
                         ? sys::fsconfig_flag(fs, option.c_str())
                         : sys::fsconfig_string(fs, option.substr(0, equals).c_str(), option.substr(equals + 1).c_str());
    if (!set) throw SysError(set.error(), fmt::format("mount option '{}' for '{}'", option, target));
  }
}

const char* file_system_of(const MountOp& op) {
  switch (op.kind) {
    case MountKind::tmpfs: return "tmpfs";
    case MountKind::proc: return "proc";
    case MountKind::sysfs: return "sysfs";
    case MountKind::devpts: return "devpts";
    case MountKind::mqueue: return "mqueue";
    case MountKind::cgroup2: return "cgroup2";
    case MountKind::other: return op.type.c_str();
    case MountKind::bind:
    case MountKind::remount:
    case MountKind::merge:
      break;
  }
  return "";
}

// What lxcfs and the like put over files of /proc; nothing that this program reads or writes there (runc's list).
constexpr std::string_view replaceable_proc_files[] = {
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat",    "/proc/swaps",
    "/proc/uptime",  "/proc/loadavg",   "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled"};

/// A mount over /proc would hide what the kernel says about our own processes (CVE-2023-27561); the caller has checked
/// the words, this checks where links of the image have led.
void refuse_procfs(int target, const std::string& path) {
  if (std::ranges::find(replaceable_proc_files, path) != std::end(replaceable_proc_files)) return;
  const auto type = sys::fstatfs_type(target) | or_throw("mounting on '{}'", path);
  if (type == PROC_SUPER_MAGIC) throw InvalidInput(fmt::format("'{}' is inside the container's /proc", path));
}

/// What is bound at /proc has to be a whole procfs, for the same reason.
void refuse_other_proc(int tree, const struct stat& status, const std::string& source) {
  constexpr ino_t root_of_procfs = 1;  // PROC_ROOT_INO of linux/proc_fs.h
  const auto type = sys::fstatfs_type(tree) | or_throw("bind source '{}'", source);
  if (type != PROC_SUPER_MAGIC || status.st_ino != root_of_procfs) {
    throw InvalidInput(fmt::format("'{}' is no procfs, and can't be the container's '/proc'", source));
  }
}

/// A symbolic link at a kernel file system's place could hide it elsewhere (CVE-2019-19921).
void refuse_link(int root, const std::string& path) {
  const auto link = sys::fstatat(root, path.c_str() + 1, AT_SYMLINK_NOFOLLOW);
  if (link && S_ISLNK(link->st_mode)) throw InvalidInput(fmt::format("'{}' is a symbolic link in the image", path));
}

Result<Fd> try_to_clone_source(const MountOp& op) {
  const unsigned recursive = op.recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U;
  if (op.below.empty()) return sys::open_tree(AT_FDCWD, op.source.c_str(), OPEN_TREE_CLONE | recursive);
  const auto top = sys::openat(AT_FDCWD, op.below.c_str(), O_PATH | O_DIRECTORY);
  if (!top) return std::unexpected(top.error());
  const std::uint64_t resolve = op.follows ? in_root : std::uint64_t{RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  const auto object = sys::openat2(top->get(), op.source.c_str(), O_PATH, resolve);
  if (!object) return std::unexpected(object.error());
  return sys::open_tree(object->get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | recursive);
}

Fd clone_source(const MountOp& op) { return try_to_clone_source(op) | or_throw("bind source '{}'", op.source); }

/// What is to be attached: a copy that has been made here or by the launching process, or one that is made now.
Fd source_copy(const MountOp& op, const Fd& made, const Fd& beforehand) {
  const auto duplicate = [&](const Fd& copy) { return sys::dup(copy.get()) | or_throw("bind source '{}'", op.source); };
  if (made) return duplicate(made);
  if (op.ids || !op.mounts_of.empty()) return duplicate(beforehand);
  auto copy = try_to_clone_source(op);
  const bool is_unreachable = !copy && copy.error().value == EACCES;
  if (is_unreachable && beforehand) return duplicate(beforehand);
  return std::move(copy) | or_throw("bind source '{}'", op.source);
}

/// A mount, of a directory or of a file, gets its place.
Fd attach_tree(int root, const MountOp& op, Fd tree) {
  const auto status = sys::fstat(tree.get()) | or_throw("mounting on '{}'", op.target);
  const bool is_directory = S_ISDIR(status.st_mode);
  const Fd target = is_directory ? make_directory_in_root(root, op.target) : make_file_in_root(root, op.target);
  if (op.target == "/proc") {  // the host's, with --pid host
    refuse_other_proc(tree.get(), status, op.source);
  } else {
    refuse_procfs(target.get(), op.target);
  }
  attach(tree.get(), target.get(), op.target);
  return tree;
}

Fd apply_bind(int root, const MountOp& op, Fd tree) {
  sys::mount_setattr(tree.get(), attributes_of(op), 0, op.recursive) | or_throw("bind mount '{}'", op.source);
  set_attributes(tree.get(), op);
  return attach_tree(root, op, std::move(tree));
}

Fd mount_merge(const MountOp& op) {
  RootPlan layers;
  layers.lower = op.lower;
  layers.upper = op.upper;
  layers.work = op.work;
  layers.upper_is_volatile = true;  // nothing of it is needed when the container has ended
  try {
    return mount_layers(layers);
  } catch (const SysError& error) {
    throw Error(fmt::format("mounting on '{}': {}", op.target, error.what()),
                "a merge of directories takes overlayfs of the kernel, see 'sandbox doctor'");
  }
}

Fd apply_merge(int root, const MountOp& op) {
  Fd merge = mount_merge(op);
  if (!op.source.empty()) {
    const Fd part = sys::openat2(merge.get(), op.source.c_str(), O_PATH, in_root) |
                    or_throw("'{}' of what is mounted on '{}'", op.source, op.target);
    Fd copy = sys::open_tree(part.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE) | or_throw("mounting on '{}'", op.target);
    // Where the whole was attached, the layers of another merge may have to be found.
    sys::umount2(fmt::format("/proc/self/fd/{}", merge.get()).c_str(), MNT_DETACH) |
        or_throw("mounting on '{}'", op.target);
    merge = std::move(copy);
  }
  sys::mount_setattr(merge.get(), attributes_of(op), 0, false) | or_throw("mounting on '{}'", op.target);
  return attach_tree(root, op, std::move(merge));
}

/// The mode of what a tmpfs without a mode of its own will cover, as with the other runtimes.
void configure_mode(int fs, const Result<Fd>& covered, const MountOp& op) {
  if (op.kind != MountKind::tmpfs || !covered || op.data.starts_with("mode=") || op.data.find(",mode=") != std::string::npos) return;
  const auto status = sys::fstat(covered->get()) | or_throw("mounting on '{}'", op.target);
  const std::string mode = fmt::format("{:o}", status.st_mode & 07777);
  sys::fsconfig_string(fs, "mode", mode.c_str()) | or_throw("mount option 'mode={}' for '{}'", mode, op.target);
}

/// As in runc, which engines expect: the kernel's own file systems keep theirs.
void configure_label(int fs, const std::string& label, const MountOp& op) {
  const bool has_files = op.kind == MountKind::tmpfs || op.kind == MountKind::devpts || op.kind == MountKind::other;
  if (label.empty() || !has_files) return;
  sys::fsconfig_string(fs, "context", label.c_str()) | or_throw("SELinux context '{}' of '{}'", label, op.target);
}

/// In place of a sysfs of its own: what this process sees itself, network devices and all. Nobody can change it there.
Fd clone_sysfs() {
  Fd tree = sys::open_tree(AT_FDCWD, "/sys", OPEN_TREE_CLONE | AT_RECURSIVE) | or_throw("binding '/sys'");
  constexpr std::uint64_t harmless = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  sys::mount_setattr(tree.get(), harmless, 0, true) | or_throw("making '/sys' read-only");
  return tree;
}

/// The kernel lets a user namespace have a procfs or a sysfs only where it sees a whole one already, which no container
/// does that has parts of them masked (mount_too_revealing() in the kernel's fs/namespace.c).
Fd make_mount(int fs, const MountOp& op) {
  constexpr const char* remedy =
      "what this runs in, a container, shows only a part of its /proc: start that one with --security-opt "
      "systempaths=unconfined, or share its processes (--pid host)";
  auto mount = sys::fsmount(fs, static_cast<unsigned>(attributes_of(op)));
  const bool forbidden = !mount && mount.error().value == EPERM;
  if (forbidden && op.kind == MountKind::sysfs) return clone_sysfs();
  if (!mount) {
    throw SysError(mount.error(), fmt::format("mounting on '{}'", op.target),
                   forbidden && op.kind == MountKind::proc ? remedy : "");
  }
  set_attributes(mount->get(), op);
  return std::move(*mount);
}

Fd apply_new(int root, const MountOp& op, const std::string& label) {
  auto opened = sys::fsopen(file_system_of(op));
  if (!opened && opened.error().value == ENODEV && op.kind == MountKind::cgroup2) return {};  // a kernel without cgroups
  const Fd fs = std::move(opened) | or_throw("mounting {} on '{}'", file_system_of(op), op.target);
  if (!op.source.empty()) {
    sys::fsconfig_string(fs.get(), "source", op.source.c_str()) | or_throw("mounting '{}' on '{}'", op.source, op.target);
  }
  configure(fs.get(), op.data, op.target);
  configure_label(fs.get(), label, op);
  configure_mode(fs.get(), sys::openat2(root, op.target.c_str(), O_PATH | O_DIRECTORY, in_root), op);
  sys::fsconfig_create(fs.get()) | or_throw("mounting {} on '{}'", file_system_of(op), op.target);
  MountOp writable = op;
  if (op.kind == MountKind::tmpfs) {
    writable.read_only = false;
    writable.own.set &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
  }
  Fd mount = make_mount(fs.get(), writable);
  if (op.ids) map_ids(mount.get(), *op.ids, fmt::format("the mount on '{}'", op.target));
  const Fd target = make_directory_in_root(root, op.target);
  if (op.copy_up) copy_up_tree(target.get(), mount.get());
  if (op.kind == MountKind::other || (op.kind == MountKind::tmpfs && op.target != "/dev" && !op.target.starts_with("/dev/"))) {
    refuse_procfs(target.get(), op.target);
  } else {
    refuse_link(root, op.target);
  }
  attach(mount.get(), target.get(), op.target);
  return mount;
}

Fd apply_remount(int root, const MountOp& op) {
  Fd mount = open_in_root(root, op.target, O_PATH);
  refuse_procfs(mount.get(), op.target);
  set_attributes(mount.get(), op);
  return mount;
}

/// None: it does not exist on this kernel, and needs no protection. Whatever else is in the way is a failure.
Fd open_if_there(int root, const std::string& path) {
  auto found = sys::openat2(root, path.c_str(), O_PATH | O_NOFOLLOW, in_root);
  if (found) return std::move(*found);
  if (found.error().value == ENOENT || found.error().value == ENOTDIR) return {};
  throw SysError(found.error(), fmt::format("protecting '{}'", path));
}

/// A read-only file system without anything in it.
Fd make_empty_directory() {
  const Fd fs = sys::fsopen("tmpfs") | or_throw("mounting an empty directory");
  sys::fsconfig_string(fs.get(), "size", "0") | or_throw("mounting an empty directory");
  sys::fsconfig_create(fs.get()) | or_throw("mounting an empty directory");
  constexpr unsigned attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  return sys::fsmount(fs.get(), attributes) | or_throw("mounting an empty directory");
}

/// The mount; none where there is nothing to mount.
Fd apply_mount(int root, const MountOp& op, const std::string& label, const Fd& made, const Fd& beforehand) {
  if (op.kind == MountKind::bind) return apply_bind(root, op, source_copy(op, made, beforehand));
  if (op.kind == MountKind::merge) return apply_merge(root, op);
  return op.kind == MountKind::remount ? apply_remount(root, op) : apply_new(root, op, label);
}

}  // namespace

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

void attach(int mount, int target, const std::string& path) {
  sys::move_mount(mount, target, "", MOVE_MOUNT_T_EMPTY_PATH) | or_throw("mounting on '{}'", path);
}

Fd open_in_root(int root, const std::string& path, int flags) {
  return sys::openat2(root, path.c_str(), flags, in_root) | or_throw("opening '{}' in the container", path);
}

Fd make_directory_in_root(int root, const std::string& path) {
  if (auto existing = sys::openat2(root, path.c_str(), O_PATH | O_DIRECTORY, in_root)) return std::move(*existing);
  std::string place = path;
  for (int links = 0; links < max_links; ++links) {
    if (Fd made = make_missing(root, place)) return made;
  }
  throw SysError(Errno{ELOOP}, fmt::format("creating '{}' in the container", path));
}

std::vector<Fd> clone_propagating(const std::vector<MountOp>& mounts) {
  std::vector<Fd> copies;
  for (const MountOp& op : mounts) {
    const bool hears = op.kind == MountKind::bind && (op.propagation == MS_SLAVE || op.propagation == MS_SHARED);
    copies.push_back(hears && !op.ids ? clone_source(op) : Fd());
  }
  return copies;
}

std::vector<Fd> clone_sources(const std::vector<MountOp>& mounts) {
  std::vector<Fd> copies;
  for (const MountOp& op : mounts) copies.push_back(op.kind == MountKind::bind ? clone_source(op) : Fd());
  return copies;
}

std::vector<Fd> clone_beforehand(const LaunchPlan& plan, const std::vector<OpenedNamespace>& joined) {
  std::vector<Fd> copies(plan.mounts.size());
  const auto user = std::ranges::find(joined, NamespaceKind::user, &OpenedNamespace::kind);
  const bool changes_user = plan.namespaces.user || user != joined.end();
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const MountOp& op = plan.mounts[i];
    if (op.kind != MountKind::bind) continue;
    if (!op.mounts_of.empty()) {
      copies[i] = clone_of_others(op, joined);
    } else if (op.ids) {
      copies[i] = clone_with_ids(op.source, op.recursive, *op.ids);
    } else if (auto copy = changes_user ? try_to_clone_source(op) : Result<Fd>(Fd())) {
      if (*copy) sys::mount_setattr(copy->get(), 0, 0, true, MS_PRIVATE) | or_throw("bind source '{}'", op.source);
      copies[i] = std::move(*copy);
    }
  }
  return copies;
}

std::vector<Fd> apply_mounts(int root, const LaunchPlan& plan, const std::vector<Fd>& made,
                             const std::vector<Fd>& beforehand) {
  std::vector<Fd> read_only_last;
  bool populated = !plan.populate_dev;
  for (std::size_t i = 0; i < plan.mounts.size(); ++i) {
    const MountOp& op = plan.mounts[i];
    Fd mount = apply_mount(root, op, plan.mount_label, made[i], beforehand[i]);
    if (!mount) continue;
    set_propagation(mount.get(), op);
    if (op.kind == MountKind::tmpfs && (op.read_only || (op.own.set & MOUNT_ATTR_RDONLY) != 0)) {
      read_only_last.push_back(std::move(mount));
    }
    if (op.target == "/dev" && op.kind == MountKind::tmpfs && !populated) {
      populate_dev(root);
      populated = true;
    }
  }
  if (!populated) populate_dev(root);
  for (const DevicePlan& device : plan.devices) make_device(root, device);
  return read_only_last;
}

void close_to_writers(const std::vector<Fd>& mounts) {
  for (const Fd& mount : mounts) {
    sys::mount_setattr(mount.get(), MOUNT_ATTR_RDONLY, 0, false) | or_throw("making a tmpfs read-only");
  }
}

void mask_paths(int root, const std::vector<std::string>& paths) {
  Fd empty;  // one for all directories, cloned from its first place: before Linux 6.15 only what is attached can be
  std::set<std::string> masked;
  for (const std::string& path : paths) {
    const Fd target = open_if_there(root, path);
    if (!target || !masked.insert(path).second) continue;
    const auto status = sys::fstat(target.get()) | or_throw("'{}'", path);
    if (S_ISDIR(status.st_mode)) {
      Fd mask = empty ? sys::open_tree(empty.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE) | or_throw("masking '{}'", path)
                      : make_empty_directory();
      attach(mask.get(), target.get(), path);
      if (!empty) empty = std::move(mask);
      continue;
    }
    // The host's device, checked, never the image's /dev/null (CVE-2025-31133).
    const Fd null = sys::open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE) | or_throw("masking '{}'", path);
    if (!is_character_device(null.get(), 1, 3)) throw Error("'/dev/null' of the host is not the null device");
    // Its mode belongs to the host: not even a container's root that is the host's may change it here.
    sys::mount_setattr(null.get(), MOUNT_ATTR_RDONLY, 0, false) | or_throw("masking '{}'", path);
    attach(null.get(), target.get(), path);
  }
}

void make_paths_read_only(int root, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const Fd target = open_if_there(root, path);
    if (!target) continue;
    const Fd tree = sys::open_tree(target.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | static_cast<unsigned>(AT_RECURSIVE)) |
                    or_throw("making '{}' read-only", path);
    sys::mount_setattr(tree.get(), MOUNT_ATTR_RDONLY, 0, true) | or_throw("making '{}' read-only", path);
    attach(tree.get(), target.get(), path);
  }
}

}  // namespace sandbox::userns
