// See devices.h.
#include "sandbox/engine/devices.h"

#include <errno.h>
#include <grp.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::engine {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool are_permissions(const std::string& text) {
  return !text.empty() && text.find_first_not_of("rwm") == std::string::npos;
}

[[noreturn]] void refuse_access(const std::string& path, gid_t group) {
  const std::string reason = Errno{errno}.message();
  const struct group* named = ::getgrgid(group);
  throw Unsupported(fmt::format("device '{}' can't be opened by you: {}", path, reason),
                    named == nullptr ? "" : fmt::format("its group is '{}'", named->gr_name));
}

userns::DevicePlan find_device(const std::string& words) {
  std::vector<std::string> parts = split(words);
  std::string permissions = "rwm";
  if (parts.size() > 1 && are_permissions(parts.back())) {
    permissions = parts.back();
    parts.pop_back();
  }
  const std::string& path = parts.front();
  if (parts.size() > 2 || !path.starts_with('/'))
    throw UsageError(fmt::format("invalid device specification: {}", words));
  if (parts.size() == 2 && parts[1] != path) {
    throw Unsupported(fmt::format("--device {}: a device keeps the path that it has on the host", words));
  }
  const auto status = sys::fstatat(AT_FDCWD, path.c_str(), 0) | or_throw("device '{}'", path);
  if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)) throw UsageError(fmt::format("'{}' is not a device", path));
  const int wanted = (permissions.find('r') != std::string::npos ? R_OK : 0) |
                     (permissions.find('w') != std::string::npos ? W_OK : 0);
  if (::access(path.c_str(), wanted) != 0) refuse_access(path, status.st_gid);
  return {.path = path,
          .kind = S_ISCHR(status.st_mode) ? userns::DeviceKind::character : userns::DeviceKind::block,
          .major = gnu_dev_major(status.st_rdev),
          .minor = gnu_dev_minor(status.st_rdev)};
}

}  // namespace

std::vector<userns::DevicePlan> find_devices(const std::vector<std::string>& words) {
  std::vector<userns::DevicePlan> devices;
  for (const std::string& one : words) devices.push_back(find_device(one));
  return devices;
}

void warn_of_devices(const std::vector<UserMount>& mounts, const std::function<void(const std::string& line)>& notice) {
  for (const UserMount& mount : mounts) {
    const std::string& source = mount.op.source;
    if (mount.op.kind != userns::MountKind::bind || !mount.volume.empty() || !mount.op.no_dev) continue;
    const auto status = sys::fstatat(AT_FDCWD, source.c_str(), 0);
    if (!status || (!S_ISCHR(status->st_mode) && !S_ISBLK(status->st_mode))) continue;
    notice(fmt::format("WARNING: the device '{}' can't be opened as a volume; use --device {}", source, source));
  }
}

}  // namespace sandbox::engine
