// See devices.h.
#include "sandbox/engine/devices.h"

#include <errno.h>
#include <grp.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/cdi.h"

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

/// `inside`: its path in the container.
userns::DevicePlan find_device(const std::string& path, const std::string& inside, const std::string& permissions) {
  if (inside != path) {
    throw Unsupported(
        fmt::format("device '{}' can't be '{}': it keeps the path that it has on the host", path, inside));
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

userns::DevicePlan find_device(const std::string& words) {
  std::vector<std::string> parts = split(words);
  std::string permissions = "rwm";
  if (parts.size() > 1 && are_permissions(parts.back())) {
    permissions = parts.back();
    parts.pop_back();
  }
  if (parts.size() > 2 || !parts.front().starts_with('/')) {
    throw UsageError(fmt::format("invalid device specification: {}", words));
  }
  return find_device(parts.front(), parts.back(), permissions);
}

using Notice = std::function<void(const std::string& line)>;

/// A vendor's description has more nodes than one needs (those of the display beside those that compute), so that some
/// may be closed to the caller, but not all.
std::vector<userns::DevicePlan> find_nodes(const std::vector<CdiNode>& nodes, const Notice& notice) {
  std::vector<userns::DevicePlan> found;
  std::vector<Unsupported> closed;
  for (const CdiNode& node : nodes) {
    try {
      found.push_back(find_device(node.host_path, node.path, node.permissions.empty() ? "rwm" : node.permissions));
    } catch (const Unsupported& error) {
      closed.push_back(error);
    }
  }
  if (found.empty() && !closed.empty()) throw closed.front();
  for (const Unsupported& error : closed) notice(fmt::format("WARNING: {}", error.what()));
  return found;
}

}  // namespace

ChosenDevices choose_devices(const RunRequest& request, const Notice& notice) {
  ChosenDevices chosen;
  const auto add = [&](userns::DevicePlan device) {
    const auto is_same = [&](const userns::DevicePlan& other) { return other.path == device.path; };
    if (std::ranges::none_of(chosen.nodes, is_same)) chosen.nodes.push_back(std::move(device));
  };
  std::vector<std::string> names;
  for (const std::string& word : request.devices) {
    if (is_cdi_name(word))
      names.push_back(word);
    else
      add(find_device(word));
  }
  if (!request.gpus.empty()) std::ranges::move(gpu_names(request.gpus), std::back_inserter(names));
  for (const CdiEdits& edits : find_cdi_devices(names)) {
    for (userns::DevicePlan& node : find_nodes(edits.nodes, notice)) add(std::move(node));
    for (const CdiMount& mount : edits.mounts) {
      chosen.mounts.push_back(bind_mount(mount.source, mount.target, mount.options));
    }
    std::ranges::copy(edits.env, std::back_inserter(chosen.env));
    for (const std::string& hook : edits.hooks) {
      notice(fmt::format("WARNING: '{}', which a device's description asks for, is not run", hook));
    }
  }
  return chosen;
}

void warn_of_devices(const std::vector<UserMount>& mounts, const Notice& notice) {
  for (const UserMount& mount : mounts) {
    const std::string& source = mount.op.source;
    if (mount.op.kind != userns::MountKind::bind || !mount.volume.empty() || !mount.op.no_dev) continue;
    const auto status = sys::fstatat(AT_FDCWD, source.c_str(), 0);
    if (!status || (!S_ISCHR(status->st_mode) && !S_ISBLK(status->st_mode))) continue;
    notice(fmt::format("WARNING: the device '{}' can't be opened as a volume; use --device {}", source, source));
  }
}

}  // namespace sandbox::engine
