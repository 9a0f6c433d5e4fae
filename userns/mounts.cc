#include "userns/mounts.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <string_view>

#include "sandbox/base/sys.h"

namespace sandbox::userns {
namespace {

constexpr std::uint64_t in_root = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

std::uint64_t attributes_of(const MountOp& op) {
  std::uint64_t set = 0;
  if (op.read_only) set |= MOUNT_ATTR_RDONLY;
  if (op.no_suid) set |= MOUNT_ATTR_NOSUID;
  if (op.no_dev && op.kind != MountKind::devpts) set |= MOUNT_ATTR_NODEV;  // terminals are devices
  if (op.no_exec) set |= MOUNT_ATTR_NOEXEC;
  return set;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

/// Where the symbolic link at `path` leads, below the root; `path` itself when it is none.
std::string follow_link(int parent, const std::string& path) {
  const auto target = sys::readlinkat(parent, name_of(path).c_str());
  if (!target) return path;
  return target->starts_with('/') ? *target : parent_of(path) + "/" + *target;
}

/// A regular file to mount on; an existing object of any kind but a directory is used as it is. A link that leads
/// nowhere, such as /etc/resolv.conf of many distributions, gets the file that it names.
Fd make_file_in_root(int root, const std::string& path) {
  constexpr int max_links = 40;  // as the kernel's own limit, path_resolution(7)
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

void attach(int mount, int target, const std::string& path) {
  sys::move_mount(mount, target, "", MOVE_MOUNT_T_EMPTY_PATH) | or_throw("mounting on '{}'", path);
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

const char* file_system_of(MountKind kind) {
  switch (kind) {
    case MountKind::tmpfs: return "tmpfs";
    case MountKind::proc: return "proc";
    case MountKind::sysfs: return "sysfs";
    case MountKind::devpts: return "devpts";
    case MountKind::mqueue: return "mqueue";
    case MountKind::cgroup2: return "cgroup2";
    case MountKind::bind: break;
  }
  return "";
}

/// A mount over /proc would hide what the kernel says about our own processes (CVE-2023-27561); the caller has checked
/// the words, this checks where links of the image have led.
void refuse_procfs(int target, const std::string& path) {
  struct statfs status {};
  if (::fstatfs(target, &status) < 0) throw SysError(Errno{errno}, fmt::format("mounting on '{}'", path));
  if (status.f_type == PROC_SUPER_MAGIC) throw InvalidInput(fmt::format("'{}' is inside the container's /proc", path));
}

/// A symbolic link at a kernel file system's place could hide it elsewhere (CVE-2019-19921).
void refuse_link(int root, const std::string& path) {
  const auto link = sys::fstatat(root, path.c_str() + 1, AT_SYMLINK_NOFOLLOW);
  if (link && S_ISLNK(link->st_mode)) throw InvalidInput(fmt::format("'{}' is a symbolic link in the image", path));
}

void apply_bind(int root, const MountOp& op) {
  const unsigned recursive = op.recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U;
  const Fd tree = sys::open_tree(AT_FDCWD, op.source.c_str(), OPEN_TREE_CLONE | recursive) |
                  or_throw("bind source '{}'", op.source);
  sys::mount_setattr(tree.get(), attributes_of(op), 0, op.recursive) | or_throw("bind mount '{}'", op.source);
  const auto status = sys::fstat(tree.get()) | or_throw("bind source '{}'", op.source);
  const Fd target = S_ISDIR(status.st_mode) ? make_directory_in_root(root, op.target) : make_file_in_root(root, op.target);
  if (op.target != "/proc") refuse_procfs(target.get(), op.target);  // itself: the host's, with --pid host
  attach(tree.get(), target.get(), op.target);
}

struct Device {
  const char* name;
  unsigned major, minor;
};
constexpr Device devices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                              {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

bool is_device(int fd, unsigned major, unsigned minor) {
  const auto status = sys::fstat(fd);
  return status && S_ISCHR(status->st_mode) && status->st_rdev == makedev(major, minor);
}

}  // namespace

Fd open_in_root(int root, const std::string& path, int flags) {
  return sys::openat2(root, path.c_str(), flags, in_root) | or_throw("opening '{}' in the container", path);
}

Fd make_directory_in_root(int root, const std::string& path) {
  if (auto existing = sys::openat2(root, path.c_str(), O_PATH | O_DIRECTORY, in_root)) return std::move(*existing);
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
    }
    if (!next) throw SysError(next.error(), fmt::format("opening '{}' in the container", done));
    directory = std::move(*next);
  }
  return directory;
}

void apply_mount(int root, const MountOp& op) {
  if (op.kind == MountKind::bind) return apply_bind(root, op);
  auto opened = sys::fsopen(file_system_of(op.kind));
  if (!opened && opened.error().value == ENODEV && op.kind == MountKind::cgroup2) return;  // a kernel without cgroups
  const Fd fs = std::move(opened) | or_throw("mounting on '{}'", op.target);
  configure(fs.get(), op.data, op.target);
  sys::fsconfig_create(fs.get()) | or_throw("mounting {} on '{}'", file_system_of(op.kind), op.target);
  const Fd mount = sys::fsmount(fs.get(), static_cast<unsigned>(attributes_of(op))) | or_throw("mounting on '{}'", op.target);
  const Fd target = make_directory_in_root(root, op.target);
  if (op.kind == MountKind::tmpfs && op.target != "/dev" && !op.target.starts_with("/dev/")) {
    refuse_procfs(target.get(), op.target);
  } else {
    refuse_link(root, op.target);
  }
  attach(mount.get(), target.get(), op.target);
}

void populate_dev(int root) {
  const Fd dev = open_in_root(root, "/dev", O_RDONLY | O_DIRECTORY);
  for (const Device& device : devices) {
    const std::string source = fmt::format("/dev/{}", device.name);
    const Fd tree = sys::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE) | or_throw("device '{}'", source);
    if (!is_device(tree.get(), device.major, device.minor)) {
      throw Error(fmt::format("'{}' of the host is not the device {}:{}", source, device.major, device.minor));
    }
    const Fd file = sys::openat(dev.get(), device.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666) |
                    or_throw("creating '{}'", source);
    attach(tree.get(), file.get(), source);
  }
  struct Link {
    const char* name;
    const char* target;
  };
  constexpr Link links[] = {{"fd", "/proc/self/fd"},         {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
                            {"stderr", "/proc/self/fd/2"},   {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"}};
  for (const Link& link : links) sys::symlinkat(link.target, dev.get(), link.name) | or_throw("linking '/dev/{}'", link.name);
}

void mask_paths(int root, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const auto target = sys::openat2(root, path.c_str(), O_PATH | O_NOFOLLOW, in_root);
    if (!target) continue;  // what does not exist on this kernel needs no mask
    const auto status = sys::fstat(target->get()) | or_throw("'{}'", path);
    if (S_ISDIR(status.st_mode)) {
      const Fd fs = sys::fsopen("tmpfs") | or_throw("masking '{}'", path);
      sys::fsconfig_string(fs.get(), "size", "0") | or_throw("masking '{}'", path);
      sys::fsconfig_create(fs.get()) | or_throw("masking '{}'", path);
      const Fd empty = sys::fsmount(fs.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) |
                       or_throw("masking '{}'", path);
      attach(empty.get(), target->get(), path);
      continue;
    }
    // The host's device, checked, never the image's /dev/null (CVE-2025-31133).
    const Fd null = sys::open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE) | or_throw("masking '{}'", path);
    if (!is_device(null.get(), 1, 3)) throw Error("'/dev/null' of the host is not the null device");
    attach(null.get(), target->get(), path);
  }
}

void make_paths_read_only(int root, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const auto target = sys::openat2(root, path.c_str(), O_PATH | O_NOFOLLOW, in_root);
    if (!target) continue;
    const Fd tree = sys::open_tree(target->get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | static_cast<unsigned>(AT_RECURSIVE)) |
                    or_throw("making '{}' read-only", path);
    sys::mount_setattr(tree.get(), MOUNT_ATTR_RDONLY, 0, true) | or_throw("making '{}' read-only", path);
    attach(tree.get(), target->get(), path);
  }
}

void bind_console(int root, int slave) {
  const Fd tree = sys::open_tree(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE) | or_throw("binding the console");
  const Fd dev = open_in_root(root, "/dev", O_RDONLY | O_DIRECTORY);
  const Fd file = sys::openat(dev.get(), "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) |
                  or_throw("creating '/dev/console'");
  attach(tree.get(), file.get(), "/dev/console");
}

}  // namespace sandbox::userns
