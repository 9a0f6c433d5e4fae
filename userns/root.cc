#include "userns/root.h"

#include <errno.h>
#include <linux/mount.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "sandbox/base/sys.h"

namespace sandbox::userns {
namespace {

Fd open_directory(const std::string& path) {
  return sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening directory '{}'", path);
}

/// A name without special characters for a directory that overlayfs should use.
std::string fd_path(const Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

unsigned attributes_of(const RootPlan& root) {
  return (root.no_dev ? static_cast<unsigned>(MOUNT_ATTR_NODEV) : 0U) |
         (root.no_suid ? static_cast<unsigned>(MOUNT_ATTR_NOSUID) : 0U);
}

struct OverlayDirectories {
  std::vector<Fd> lower;
  Fd upper, work;
};

/// COMPAT(linux<6.7): without "lowerdir+" all layers go into one option string of mount(2).
Fd mount_overlay_legacy(const OverlayDirectories& directories, const std::string& staging, const RootPlan& root) {
  std::string data = "userxattr,lowerdir=";
  for (std::size_t i = 0; i < directories.lower.size(); ++i) data += (i > 0 ? ":" : "") + fd_path(directories.lower[i]);
  if (directories.upper) {
    data += ",upperdir=" + fd_path(directories.upper) + ",workdir=" + fd_path(directories.work);
    if (root.upper_is_volatile) data += ",volatile";
  }
  const unsigned long flags =
      (root.no_dev ? static_cast<unsigned long>(MS_NODEV) : 0UL) | (root.no_suid ? static_cast<unsigned long>(MS_NOSUID) : 0UL);
  if (const auto mounted = sys::mount("overlay", staging.c_str(), "overlay", flags, data.c_str()); !mounted) {
    throw SysError(mounted.error(), "mounting overlayfs",
                   mounted.error().value == EINVAL
                       ? "in a user namespace a directory with other mounts below it can't be a lower layer"
                       : "");
  }
  return open_directory(staging);
}

Fd mount_overlay(const RootPlan& root, const std::string& staging) {
  OverlayDirectories directories;
  for (const std::string& path : root.lower) directories.lower.push_back(open_directory(path));
  if (!root.upper.empty()) {
    directories.upper = open_directory(root.upper);
    directories.work = open_directory(root.work);
  } else if (directories.lower.size() == 1) {
    directories.lower.push_back(open_directory(root.lower[0]));  // a merge without upper needs two lower layers
  }
  const Fd fs = sys::fsopen("overlay") | or_throw("fsopen overlay");
  sys::fsconfig_flag(fs.get(), "userxattr") | or_throw("overlayfs option userxattr (Linux 5.11)");
  for (const Fd& lower : directories.lower) {
    const auto set = sys::fsconfig_string(fs.get(), "lowerdir+", fd_path(lower).c_str());
    if (!set && set.error().value == EINVAL) return mount_overlay_legacy(directories, staging, root);
    if (!set) throw SysError(set.error(), "overlayfs lower layer");
  }
  if (directories.upper) {
    sys::fsconfig_string(fs.get(), "upperdir", fd_path(directories.upper).c_str()) | or_throw("overlayfs upper layer");
    sys::fsconfig_string(fs.get(), "workdir", fd_path(directories.work).c_str()) | or_throw("overlayfs work directory");
    if (root.upper_is_volatile) sys::fsconfig_flag(fs.get(), "volatile") | or_throw("overlayfs option volatile (Linux 5.10)");
  }
  const auto created = sys::fsconfig_create(fs.get());
  // COMPAT(linux<6.5): takes any option and refuses it only here. A newer kernel refuses the old way, too.
  if (!created && created.error().value == EINVAL) return mount_overlay_legacy(directories, staging, root);
  if (!created) throw SysError(created.error(), "mounting overlayfs");
  const Fd mount = sys::fsmount(fs.get(), attributes_of(root)) | or_throw("mounting overlayfs");
  sys::move_mount(mount.get(), AT_FDCWD, staging.c_str(), 0) | or_throw("attaching overlayfs");
  return open_directory(staging);
}

Fd mount_fuse(const RootPlan& root, const std::string& staging, const HandOver& hand_over) {
  const Fd mount = make_fuse_mount(attributes_of(root), hand_over);
  sys::move_mount(mount.get(), AT_FDCWD, staging.c_str(), 0) | or_throw("attaching the FUSE mount");
  return open_directory(staging);
}

/// Whether the error says that these directories, or this kernel, are not for overlayfs.
bool is_unsuitable(int error) {
  return error == EINVAL || error == EPERM || error == EACCES || error == EOPNOTSUPP || error == ENODEV ||
         error == EXDEV || error == ELOOP;
}

Fd mount_merge(const RootPlan& root, const std::string& staging, const HandOver& hand_over) {
  if (root.driver == RootDriver::fuse) return mount_fuse(root, staging, hand_over);
  if (root.driver == RootDriver::overlay) return mount_overlay(root, staging);
  std::string reason;
  try {
    return mount_overlay(root, staging);
  } catch (const SysError& error) {
    if (!is_unsuitable(error.code())) throw;
    reason = error.what();
  }
  try {
    return mount_fuse(root, staging, hand_over);
  } catch (const Error& error) {
    throw Error(fmt::format("{} (and {})", error.what(), reason), error.hint());
  }
}

Fd clone_directory(const RootPlan& root) {
  const std::string& path = root.directory;
  Fd tree = sys::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | AT_RECURSIVE) | or_throw("opening root '{}'", path);
  // What is mounted on the host below it later arrives, too; nothing goes the other way while the root is being made.
  if (root.propagation != 0) {
    sys::mount_setattr(tree.get(), 0, 0, true, MS_SLAVE) | or_throw("propagation of the root");
  }
  return tree;
}

Fd attach_directory(Fd tree, const RootPlan& root) {
  const std::string& path = root.directory;
  sys::mount_setattr(tree.get(), attributes_of(root), 0, true) | or_throw("root '{}'", path);
  const Fd place = open_directory(path);  // also where the path is a symbolic link, which move_mount(2) refuses
  sys::move_mount(tree.get(), place.get(), "", MOVE_MOUNT_T_EMPTY_PATH) | or_throw("attaching root '{}'", path);
  return tree;
}

}  // namespace

/// The device's opener has to be of the mount's user namespace (fuse_get_tree in fs/fuse/inode.c), so it is us.
Fd make_fuse_mount(unsigned attributes, const HandOver& hand_over) {
  auto opened = sys::openat(AT_FDCWD, "/dev/fuse", O_RDWR);
  if (!opened) {
    throw SysError(opened.error(), "opening '/dev/fuse'", "as root: modprobe fuse, and chmod 666 /dev/fuse");
  }
  const Fd device = std::move(*opened);
  const Fd user_namespace = sys::openat(AT_FDCWD, "/proc/self/ns/user", O_RDONLY) | or_throw("opening '/proc/self/ns/user'");
  const Fd fs = sys::fsopen("fuse") | or_throw("fsopen fuse");
  const std::pair<const char*, std::string> options[] = {{"source", "sandbox"},
                                                         {"subtype", "sandbox"},
                                                         {"fd", std::to_string(device.get())},
                                                         {"rootmode", "40000"},
                                                         {"user_id", std::to_string(::getuid())},
                                                         {"group_id", std::to_string(::getgid())}};
  for (const auto& [key, value] : options) {
    sys::fsconfig_string(fs.get(), key, value.c_str()) | or_throw("FUSE mount option {}={}", key, value);
  }
  for (const char* flag : {"default_permissions", "allow_other"}) {
    sys::fsconfig_flag(fs.get(), flag) | or_throw("FUSE mount option {}", flag);
  }
  sys::fsconfig_create(fs.get()) | or_throw("mounting through FUSE");
  Fd mount = sys::fsmount(fs.get(), attributes) | or_throw("mounting through FUSE");
  hand_over(device, user_namespace);
  return mount;
}

namespace {

/// Any directory of ours serves as the place of attachment; the overlay keeps its own reference to it.
const std::string& staging_of(const RootPlan& root) { return root.upper.empty() ? root.lower.front() : root.work; }

}  // namespace

Fd mount_layers(const RootPlan& root) { return mount_overlay(root, staging_of(root)); }

Fd mount_root(const RootPlan& root, const HandOver& hand_over) {
  // A copy of a private mount would have nobody to hear from.
  Fd propagating = root.propagation != 0 ? clone_directory(root) : Fd();
  sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) | or_throw("making the mounts private");
  if (root.lower.empty()) {
    return attach_directory(propagating ? std::move(propagating) : clone_directory(root), root);
  }
  return mount_merge(root, staging_of(root), hand_over);
}

void set_root_propagation(const RootPlan& root) {
  if (root.propagation == 0) return;
  const Fd top = sys::openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY) | or_throw("opening '/'");
  sys::mount_setattr(top.get(), 0, 0, root.propagation_of_tree, root.propagation) | or_throw("propagation of the root");
}

void enter_root(int root, bool no_pivot) {
  if (::fchdir(root) < 0) throw SysError(Errno{errno}, "entering the root");
  if (no_pivot) {
    // The host's tree stays mounted beneath, out of reach of names: ".." of "/" is what is mounted last there.
    sys::mount(".", "/", nullptr, MS_MOVE, nullptr) | or_throw("moving the root over '/'");
    if (::chroot(".") < 0 || ::chdir("/") < 0) throw SysError(Errno{errno}, "chroot");
    return;
  }
  // pivot_root(2), "pivot_root(".", ".")": the old root is stacked on the new one and detached.
  sys::pivot_root(".", ".") | or_throw("pivot_root");
  sys::umount2(".", MNT_DETACH) | or_throw("detaching the host's tree");
  if (::chdir("/") < 0) throw SysError(Errno{errno}, "chdir /");
}

}  // namespace sandbox::userns
