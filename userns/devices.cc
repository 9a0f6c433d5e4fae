// Devices in the container's root, before pivot_root. Zone B.
#include "userns/devices.h"

#include <errno.h>
#include <linux/mount.h>
#include <sys/sysmacros.h>

#include "sandbox/base/sys.h"
#include "userns/mounts.h"

namespace sandbox::userns {
namespace {

struct Device {
  const char* name;
  unsigned major, minor;
};
constexpr Device devices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                              {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

/// What stands at a device's place becomes the device: an empty file where nothing was.
Fd open_device_place(const Fd& directory, const std::string& name, const std::string& path) {
  const auto made = sys::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
  if (!made && made.error().value != EEXIST) throw SysError(made.error(), fmt::format("creating '{}'", path));
  Fd place = sys::openat(directory.get(), name.c_str(), O_PATH | O_NOFOLLOW) | or_throw("opening '{}'", path);
  const auto status = sys::fstat(place.get()) | or_throw("reading the status of '{}'", path);
  if (S_ISLNK(status.st_mode) || S_ISDIR(status.st_mode)) {
    throw InvalidInput(fmt::format("'{}' of the image is in the way of a device", path));
  }
  return place;
}

void bind_device(const Fd& directory, const std::string& name, const std::string& source, mode_t type, dev_t number) {
  const Fd tree = sys::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE) | or_throw("device '{}'", source);
  const auto status = sys::fstat(tree.get()) | or_throw("device '{}'", source);
  if ((status.st_mode & S_IFMT) != type || status.st_rdev != number) {
    throw Error(
        fmt::format("'{}' of the host is not the device {}:{}", source, gnu_dev_major(number), gnu_dev_minor(number)));
  }
  sys::mount_setattr(tree.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, false) | or_throw("device '{}'", source);
  attach(tree.get(), open_device_place(directory, name, source).get(), source);
}

void link_device(const Fd& dev, const char* name, const char* target) {
  const auto made = sys::symlinkat(target, dev.get(), name);
  if (!made && made.error().value != EEXIST) throw SysError(made.error(), fmt::format("linking '/dev/{}'", name));
}

mode_t type_of(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::character:
      return S_IFCHR;
    case DeviceKind::block:
      return S_IFBLK;
    case DeviceKind::fifo:
      break;
  }
  return S_IFIFO;
}

/// On a mount without devices a node would mean nothing.
bool may_hold_nodes(int directory) {
  const auto status = sys::fstatvfs(directory);
  return status && (status->f_flag & ST_NODEV) == 0;
}

/// The node itself where that is allowed: the mode of the host's own is not for a container to change. Elsewhere the
/// host's is bound, the one at the same path.
void place_device(const Fd& directory, const DevicePlan& device) {
  const std::string name = name_of(device.path);
  const mode_t type = type_of(device.kind);
  const bool is_fifo = device.kind == DeviceKind::fifo;
  const dev_t number = is_fifo ? 0 : makedev(device.major, device.minor);
  Result<void> made = std::unexpected(Errno{EPERM});
  if (is_fifo || may_hold_nodes(directory.get())) {
    made = sys::mknodat(directory.get(), name.c_str(), type | device.mode, number);
  }
  if (made) {
    sys::fchownat(directory.get(), name.c_str(), device.uid, device.gid, AT_SYMLINK_NOFOLLOW) |
        or_throw("giving device '{}' to its owner", device.path);
    return;
  }
  if (made.error().value == EEXIST) {
    const auto status =
        sys::fstatat(directory.get(), name.c_str(), AT_SYMLINK_NOFOLLOW) | or_throw("'{}'", device.path);
    if ((status.st_mode & S_IFMT) == type && status.st_rdev == number) return;
    // A plain file may be the mount point of an earlier container.
    if (!S_ISREG(status.st_mode))
      throw InvalidInput(fmt::format("'{}' of the image is in the way of a device", device.path));
  } else if (made.error().value != EPERM) {
    throw SysError(made.error(), fmt::format("making device '{}'", device.path));
  }
  bind_device(directory, name, device.path, type, number);
}

}  // namespace

bool is_character_device(int fd, unsigned major, unsigned minor) {
  const auto status = sys::fstat(fd);
  return status && S_ISCHR(status->st_mode) && status->st_rdev == makedev(major, minor);
}

void populate_dev(int root) {
  const Fd place = make_directory_in_root(root, "/dev");
  const Fd dev = sys::openat(place.get(), ".", O_RDONLY | O_DIRECTORY) | or_throw("opening '/dev' in the container");
  for (const Device& device : devices) {
    place_device(dev, {.path = fmt::format("/dev/{}", device.name), .major = device.major, .minor = device.minor});
  }
  struct Link {
    const char* name;
    const char* target;
  };
  constexpr Link links[] = {{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
                            {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"}};
  for (const Link& link : links) link_device(dev, link.name, link.target);
}

void make_device(int root, const DevicePlan& device) {
  const Fd place = make_directory_in_root(root, parent_of(device.path));
  const Fd directory =
      sys::openat(place.get(), ".", O_RDONLY | O_DIRECTORY) | or_throw("opening the place of '{}'", device.path);
  place_device(directory, device);
}

void bind_console(int root, int slave) {
  const Fd tree = sys::open_tree(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE) | or_throw("binding the console");
  const Fd dev = open_in_root(root, "/dev", O_RDONLY | O_DIRECTORY);
  attach(tree.get(), open_device_place(dev, "console", "/dev/console").get(), "/dev/console");
}

}  // namespace sandbox::userns
