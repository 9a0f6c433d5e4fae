// See mount_points.h.
#include "sandbox/cli/mount_points.h"

#include <algorithm>

namespace sandbox::cli {
namespace {

/// Generated files of the container's own, and what stands in for a new file system where a namespace is the host's.
bool is_own(const container::Container& container, const userns::MountOp& mount) {
  static constexpr std::string_view shared[] = {"/proc", "/sys", "/dev/mqueue", "/dev/shm"};
  return mount.source.starts_with(container.directory + "/") ||
         (mount.source == mount.target && std::ranges::find(shared, mount.target) != std::end(shared));
}

/// NAME of <data>/volumes/NAME/_data, where <data>/containers/<id> is the container's directory.
std::string volume_name(const container::Container& container, std::string_view source) {
  const std::string& directory = container.directory;
  const std::string volumes = directory.substr(0, directory.rfind("/containers/")) + "/volumes/";
  if (!source.starts_with(volumes)) return {};
  source.remove_prefix(volumes.size());
  return std::string(source.substr(0, source.find('/')));
}

}  // namespace

std::vector<MountPoint> mount_points(const container::Container& container) {
  std::vector<MountPoint> points;
  for (const userns::MountOp& mount : container.spec.plan.mounts) {
    if (mount.kind != userns::MountKind::bind || is_own(container, mount)) continue;
    points.push_back({volume_name(container, mount.source), mount.source, mount.target, !mount.read_only});
  }
  return points;
}

}  // namespace sandbox::cli
