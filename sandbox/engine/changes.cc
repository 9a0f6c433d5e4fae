// See changes.h.
#include "sandbox/engine/changes.h"

#include <algorithm>
#include <set>

#include "sandbox/base/error.h"
#include "sandbox/engine/container_archive.h"

namespace sandbox::engine {
namespace {

/// Paths may be any bytes, which JSON has no strings for: "<kind><path>\0" for each.
std::string encode(const std::vector<overlay::Change>& changes) {
  std::string text;
  for (const auto& [kind, path] : changes) {
    text += static_cast<char>('0' + static_cast<int>(kind));
    text += path;
    text += '\0';
  }
  return text;
}

std::vector<overlay::Change> decode(std::string_view text) {
  std::vector<overlay::Change> changes;
  while (!text.empty()) {
    const auto end = text.find('\0');
    changes.push_back({static_cast<overlay::ChangeKind>(text[0] - '0'), std::string(text.substr(1, end - 1))});
    text.remove_prefix(end + 1);
  }
  return changes;
}

std::vector<overlay::Change> changes_as_owner(const Places& places, const container::Container& container) {
  const userns::RootPlan& root = container.spec.plan.root;
  return decode(
      as_owner_of_files(places, container, [&] { return encode(overlay::changes_of(root.lower, root.upper)); }));
}

}  // namespace

std::vector<overlay::Change> without_mount_points(std::vector<overlay::Change> changes,
                                                  const std::vector<userns::MountOp>& mounts) {
  std::set<std::string> targets, parents;
  for (const auto& mount : mounts) targets.insert(mount.target.substr(1));
  // From the deepest: a directory goes when it led to a mount point and to nothing else.
  std::vector<overlay::Change> kept;
  std::set<std::string> needed;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    const auto slash = change->path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : change->path.substr(0, slash);
    const bool led_to_mounts = targets.contains(change->path) || parents.contains(change->path);
    if (led_to_mounts && !needed.contains(change->path)) {
      parents.insert(parent);
      continue;
    }
    needed.insert(parent);
    kept.push_back(std::move(*change));
  }
  std::ranges::reverse(kept);
  return kept;
}

std::vector<overlay::Change> changes_of(const Places& places, const container::Container& container) {
  const userns::LaunchPlan& plan = container.spec.plan;
  if (plan.root.upper.empty()) {
    throw Unsupported(fmt::format("container {} writes to a directory of the host", container.spec.name));
  }
  return without_mount_points(changes_as_owner(places, container), plan.mounts);
}

}  // namespace sandbox::engine
