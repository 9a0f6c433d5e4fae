// See volumes.h.
#include "sandbox/engine/volumes.h"

#include <dirent.h>
#include <time.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/merged_layers.h"
#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/container_root.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/tree_reading.h"
#include "userns/copy_up.h"

namespace sandbox::engine {
namespace {

constexpr std::uint64_t kStrict = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

/// Owner and mode of `from` for the directory `to` (O_PATH).
void describe_as(int to, const struct stat& from) {
  // An owner without an id here stays ours: nobody could be told of it anyway.
  (void)sys::fchownat(to, "", from.st_uid, from.st_gid, AT_EMPTY_PATH);
  sys::fchmodat(AT_FDCWD, fmt::format("/proc/self/fd/{}", to).c_str(), from.st_mode & 07777) |
      or_throw("setting the mode of a volume");
}

/// What the image has at `target` goes into the directory `data`. In the child that works in the image.
void copy_from_image(int root, const std::string& target, int data) {
  const auto object = Tree::below(root).find(target, true);
  if (!object) return;
  const struct stat status = sys::fstat(object->get()) | or_throw("looking at '{}' in the image", target);
  if (!S_ISDIR(status.st_mode)) return;
  userns::copy_up_tree(object->get(), data);
  describe_as(data, status);
}

void give_tree(int directory, std::uint32_t uid, std::uint32_t gid, std::size_t depth) {
  if (depth > overlay::kMaxDepth) throw InvalidInput("a volume is too deep to be given another owner");
  for (const std::string& name : overlay::sorted_names(directory)) {
    const auto given = sys::fchownat(directory, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW);
    if (!given && given.error().value != ENOENT)
      throw SysError(given.error(), fmt::format("giving '{}' to {}:{}", overlay::printable(name), uid, gid));
    const auto inner = sys::openat2(directory, name.c_str(), O_RDONLY | O_DIRECTORY, kStrict);
    if (inner) give_tree(inner->get(), uid, gid, depth + 1);
  }
}

/// All of the directory `path` of the host belongs to the container's user.
void give_to_user(const Places& places, const userns::LaunchPlan& plan, const std::string& path) {
  const userns::ProcessPlan& process = plan.process;
  if (process.emulated) return;  // one id has it all already
  const Fd directory = sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", path);
  (void)ask_in_image(places, plan, [&](int) {
    const Fd readable = sys::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
    give_tree(readable.get(), process.uid, process.gid, 1);
    sys::fchownat(directory.get(), "", process.uid, process.gid, AT_EMPTY_PATH) |
        or_throw("giving '{}' to {}:{}", path, process.uid, process.gid);
    return std::string();
  }).answer();
}

void prepare_volume(const Places& places, const container::VolumeStore::Held& held, const container::Spec& spec,
                    const UserMount& mount) {
  const bool from_image = mount.copies && !spec.plan.root.lower.empty();
  const auto fill = [&](int data) {
    (void)ask_in_image(places, spec.plan, [&](int root) {
      copy_from_image(root, mount.op.target, data);
      return std::string();
    }).answer();
  };
  container::Volume wanted{
      .name = mount.volume, .created = ::time(nullptr), .labels = {}, .anonymous = mount.anonymous, .directory = {}};
  for (const std::string& label : mount.labels) set_label(wanted.labels, label);
  const auto volume = held.ensure_for_container(wanted, from_image ? std::function<void(int)>(fill) : nullptr);
  if (from_image) held.fill(volume, fill);
}

/// What is bound of the host, as it is or below a container's own changes; empty: nothing.
std::string source_of(const userns::MountOp& op) {
  if (op.kind == userns::MountKind::merge) return op.lower.front();
  return op.kind == userns::MountKind::bind ? op.source : std::string();
}

/// The part of a volume that is to be mounted. Links in there lead nowhere else.
void require_part(const userns::MountOp& op) {
  const Fd volume = sys::openat(AT_FDCWD, op.below.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", op.below);
  const auto part = sys::openat2(volume.get(), op.source.c_str(), O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  const bool is_closed = !part && part.error().value == EACCES;  // it belongs to others: the mount will tell
  if (!part && !is_closed)
    throw SysError(part.error(), fmt::format("cannot access path '{}' of the volume", op.source));
}

void prepare_directory(const UserMount& mount) {
  const std::string source = source_of(mount.op);
  if (path_exists(source)) return;
  if (!mount.create_source) {
    throw UsageError(
        fmt::format("invalid mount config for type \"bind\": bind source path does not exist: {}", source));
  }
  // With the modes that the user's umask leaves, for others in the container may have to enter them.
  std::error_code error;
  std::filesystem::create_directories(source, error);
  if (error) throw SysError(Errno{error.value()}, fmt::format("creating directory '{}'", source));
}

}  // namespace

void prepare_mounts(const Places& places, const container::Spec& spec, const std::vector<UserMount>& mounts,
                    std::optional<container::VolumeStore::Held>& held) {
  const container::VolumeStore store(places);
  for (const UserMount& mount : mounts) {
    if (!mount.volume.empty()) {
      if (!held) held.emplace(store.hold());
      prepare_volume(places, *held, spec, mount);
      if (!mount.op.below.empty()) require_part(mount.op);
    } else if (mount.image.empty() && !source_of(mount.op).empty()) {
      prepare_directory(mount);
    }
    if (mount.gives_owner) give_to_user(places, spec.plan, source_of(mount.op));
  }
}

PrunedVolumes prune_volumes(const Places& places, bool all, const std::function<bool(const container::Volume&)>& goes) {
  const container::VolumeStore store(places);
  PrunedVolumes pruned;
  const auto held = store.hold();
  for (const container::Volume& volume : store.list()) {
    if ((!all && !volume.anonymous) || !goes(volume)) continue;
    const std::uint64_t bytes = volume_bytes(places, volume);
    try {
      held.remove(volume);
    } catch (const Conflict&) {
      continue;
    }
    pruned.names.push_back(volume.name);
    pruned.bytes += bytes;
  }
  return pruned;
}

}  // namespace sandbox::engine
