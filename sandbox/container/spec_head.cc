// See spec_head.h.
#include "sandbox/container/spec_head.h"

#include <algorithm>
#include <string_view>

#include "sandbox/image/image_store.h"

namespace sandbox::container {
namespace {

/// Generated files of a container, which may be another one that it shares a network with, and what stands in for a new
/// file system where a namespace is the host's.
bool is_own(const userns::MountOp& mount, const std::string& directory) {
  static constexpr std::string_view shared[] = {"/proc", "/sys", "/dev/mqueue", "/dev/shm"};
  return mount.source.starts_with(directory.substr(0, directory.rfind('/') + 1)) ||
         (mount.source == mount.target && std::ranges::find(shared, mount.target) != std::end(shared));
}

/// What is mounted, as Docker tells it: of a part of a volume the whole.
const std::string& source_of(const userns::MountOp& mount) {
  if (!mount.below.empty()) return mount.below;
  return mount.kind == userns::MountKind::merge ? mount.lower.front() : mount.source;
}

/// NAME of <data>/volumes/NAME/_data.
std::string volume_name(const std::string& directory, std::string_view source) {
  const std::string volumes = directory.substr(0, directory.rfind("/containers/")) + "/volumes/";
  if (!source.starts_with(volumes)) return {};
  source.remove_prefix(volumes.size());
  return std::string(source.substr(0, source.find('/')));
}

std::vector<MountPoint> mount_points(const userns::LaunchPlan& plan, const std::string& directory) {
  std::vector<MountPoint> points;
  for (const userns::MountOp& mount : plan.mounts) {
    const bool is_merge = mount.kind == userns::MountKind::merge;
    if ((mount.kind != userns::MountKind::bind && !is_merge) || is_own(mount, directory)) continue;
    const std::string& source = source_of(mount);
    points.push_back({volume_name(directory, source), source, mount.target, !mount.read_only,
                      is_merge && image::is_layer(source)});
  }
  return points;
}

}  // namespace

void fill_head(Spec& spec, const std::string& directory) {
  spec.command = spec.plan.process.argv;
  // The network of a container's own has the name of what Docker has in its place: scripts ask for that.
  spec.network = spec.plan.network ? "bridge" : spec.plan.namespaces.network ? "none" : "host";
  if (!spec.plan.network && !spec.attachments.empty()) spec.network = spec.attachments.front().name;
  const auto shared = spec.shared_namespaces.find("network");
  if (shared != spec.shared_namespaces.end()) spec.network = "container:" + shared->second;
  spec.mounts = mount_points(spec.plan, directory);
}

}  // namespace sandbox::container
