#include "sandbox/runtime/plan_mounts.h"

#include <linux/mount.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "sandbox/base/error.h"
#include "sandbox/runtime/mount_options.h"

namespace sandbox::runtime {
namespace {

using userns::IdMapping;
using userns::LaunchPlan;
using userns::MountKind;
using userns::MountOp;
using userns::NamespaceKind;

std::string checked_target(const std::string& destination) {
  std::string target = std::filesystem::path(destination).lexically_normal();
  if (target.size() > 1 && target.ends_with('/')) target.pop_back();
  if (target == "/") throw InvalidInput(fmt::format("mount destination '{}' is the root itself", destination));
  return target;
}

bool joins(const LaunchPlan& plan, NamespaceKind kind) {
  return std::ranges::find(plan.namespaces.joined, kind, &userns::JoinedNamespace::kind) !=
         plan.namespaces.joined.end();
}

/// Whether a file system that shows a namespace can be made new: the process must have power over that namespace, which
/// a new user namespace has only over those made with it (user_namespaces(7)).
bool has_power_over(const LaunchPlan& plan, bool is_new, NamespaceKind kind) {
  return is_new || (joins(plan, kind) && !plan.namespaces.user);
}

MountKind kind_of(const oci::Mount& mount, const MountOptions& options) {
  if (options.bind || mount.type == "bind" || mount.type == "rbind")
    return options.remount ? MountKind::remount : MountKind::bind;
  if (options.remount) return MountKind::remount;
  if (mount.type == "tmpfs") return MountKind::tmpfs;
  if (mount.type == "proc") return MountKind::proc;
  if (mount.type == "sysfs") return MountKind::sysfs;
  if (mount.type == "devpts") return MountKind::devpts;
  if (mount.type == "mqueue") return MountKind::mqueue;
  if (mount.type == "cgroup" || mount.type == "cgroup2") return MountKind::cgroup2;
  return MountKind::other;
}

/// Where a new one can't be made the host's own is bound, as the other runtimes do.
void prefer_host_mount(MountOp& op, const LaunchPlan& plan) {
  const auto bind = [&](const char* source) {
    op.kind = MountKind::bind;
    op.source = source;
    op.data.clear();
    op.recursive = true;
  };
  const auto make_read_only = [&] {
    op.tree.set |= MOUNT_ATTR_RDONLY;
    op.own.clear &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
  };
  const userns::NamespacePlan& spaces = plan.namespaces;
  if (op.kind == MountKind::sysfs && !has_power_over(plan, spaces.network, NamespaceKind::network)) {
    bind("/sys");
    make_read_only();  // with the host's cgroups, of which some are the user's own
  }
  if (op.kind == MountKind::mqueue && !has_power_over(plan, spaces.ipc, NamespaceKind::ipc)) bind("/dev/mqueue");
  if (op.kind == MountKind::proc && !spaces.pid && !joins(plan, NamespaceKind::pid)) bind("/proc");
  if (op.kind == MountKind::cgroup2 && !has_power_over(plan, spaces.cgroup, NamespaceKind::cgroup)) {
    bind("/sys/fs/cgroup");
    make_read_only();  // the cgroups of all the host's processes (CVE-2023-25809)
  }
}

bool is_mapped(const std::vector<userns::IdMapping>& map, std::uint32_t id) {
  return std::ranges::any_of(map, [&](const auto& line) { return id >= line.inside && id - line.inside < line.count; });
}

/// devpts without "gid=N" of a group that has no id here: everybody's configuration asks for group 5, and nothing but
/// the group of terminals is lost.
std::string without_unmapped_gid(const std::string& data, const std::vector<userns::IdMapping>& map) {
  std::string kept;
  for (std::string_view rest = data; !rest.empty();) {
    const auto comma = rest.find(',');
    const std::string_view option = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    std::uint32_t gid = 0;
    const bool names_gid = option.starts_with("gid=") &&
                           std::from_chars(option.data() + 4, option.data() + option.size(), gid).ec == std::errc{};
    if (names_gid && !is_mapped(map, gid)) continue;
    kept += (kept.empty() ? "" : ",") + std::string(option);
  }
  return kept;
}

std::string bind_source(const oci::Mount& mount, const std::string& bundle) {
  if (mount.source.empty()) throw InvalidInput(fmt::format("bind mount on '{}' has no source", mount.destination));
  return mount.source.starts_with('/') ? mount.source : bundle + "/" + mount.source;
}

/// Ids of the launching process as its new user namespace has them.
std::vector<IdMapping> as_inside(const std::vector<IdMapping>& map, const std::vector<IdMapping>& space,
                                 const std::string& where) {
  std::vector<IdMapping> inside;
  for (const IdMapping& line : map) {
    for (std::uint32_t done = 0; done < line.count;) {
      const std::uint64_t id = std::uint64_t{line.outside} + done;
      const auto part = std::ranges::find_if(
          space, [&](const IdMapping& each) { return id >= each.outside && id - each.outside < each.count; });
      if (part == space.end()) throw InvalidInput(fmt::format("{}: the container has no id for {}", where, id));
      const auto offset = static_cast<std::uint32_t>(id - part->outside);
      const std::uint32_t count = std::min(line.count - done, part->count - offset);
      inside.push_back({line.inside + done, part->inside + offset, count});
      done += count;
    }
  }
  return inside;
}

/// What is bound is mapped by the launching process, which may have the power over its file system. A file system that
/// is mounted in a user namespace can be mapped only there, into the ids that are there.
std::optional<userns::MountIds> plan_ids(const oci::Mount& mount, const MountOptions& options, MountKind kind,
                                         const LaunchPlan& launch) {
  if (!options.id_mapped && mount.uid_mappings.empty()) return std::nullopt;
  const std::string where = fmt::format("id mapping of the mount on '{}'", mount.destination);
  userns::MountIds ids{to_map(mount.uid_mappings), to_map(mount.gid_mappings), options.id_mapped_tree};
  if (ids.uid_map.empty()) {
    if (!launch.namespaces.user) {
      throw InvalidInput(fmt::format("{}: it has no uidMappings, and the container no new user namespace", where));
    }
    ids.uid_map = launch.identity.uid_map;
    ids.gid_map = launch.identity.gid_map;
  }
  if (kind == MountKind::bind) return ids;
  if (kind != MountKind::tmpfs && kind != MountKind::other) {
    throw InvalidInput(fmt::format("{}: a file system of the kernel's own has no other ids", where));
  }
  if (joins(launch, NamespaceKind::user)) {
    throw Unsupported(fmt::format("{} can't be done in a user namespace of others", where));
  }
  if (launch.namespaces.user) {
    ids.uid_map = as_inside(ids.uid_map, launch.identity.uid_map, where);
    ids.gid_map = as_inside(ids.gid_map, launch.identity.gid_map, where);
  }
  return ids;
}

MountOp plan_mount(const oci::Mount& mount, const std::string& bundle, const Caller& caller, Plan& plan) {
  const MountOptions options = parse_mount_options(mount.options);
  MountOp op;
  op.kind = kind_of(mount, options);
  op.ids = plan_ids(mount, options, op.kind, plan.launch);
  op.target = checked_target(mount.destination);
  if (op.target == "/proc" && op.kind != MountKind::proc && op.kind != MountKind::bind) {
    throw InvalidInput(fmt::format("mount on '/proc' is of type '{}', not proc", mount.type));
  }
  op.no_suid = op.no_dev = false;
  op.recursive = options.recursive || mount.type == "rbind";
  op.own = options.own;
  op.tree = options.tree;
  op.propagation = options.propagation;
  op.propagation_of_tree = options.propagation_of_tree;
  op.copy_up = options.copy_up;
  op.data = options.data;
  op.source = mount.source;
  if (op.copy_up && op.kind != MountKind::tmpfs)
    throw InvalidInput(fmt::format("mount on '{}': tmpcopyup is for tmpfs", op.target));
  switch (op.kind) {
    case MountKind::bind:
      op.source = bind_source(mount, bundle);
      if (!op.data.empty()) {
        plan.warnings.push_back(fmt::format("bind mount on '{}': the options '{}' mean nothing", op.target, op.data));
        op.data.clear();
      }
      break;
    case MountKind::devpts: {
      const auto& own = plan.launch.namespaces.user ? plan.launch.identity.gid_map : caller.gid_map;
      if (!joins(plan.launch, NamespaceKind::user)) op.data = without_unmapped_gid(op.data, own);
      break;
    }
    case MountKind::other:
      if (mount.type.empty()) throw InvalidInput(fmt::format("mount on '{}' has no type", mount.destination));
      op.type = mount.type;
      break;
    default:
      break;
  }
  prefer_host_mount(op, plan.launch);
  return op;
}

userns::DevicePlan plan_device(const oci::Device& device) {
  userns::DevicePlan planned;
  planned.path = checked_target(device.path);
  if (device.type == "c" || device.type == "u") {
    planned.kind = userns::DeviceKind::character;
  } else if (device.type == "b") {
    planned.kind = userns::DeviceKind::block;
  } else if (device.type == "p") {
    planned.kind = userns::DeviceKind::fifo;
  } else {
    throw InvalidInput(fmt::format("device '{}': unknown type '{}'", device.path, device.type));
  }
  if (!std::in_range<std::uint32_t>(device.major) || !std::in_range<std::uint32_t>(device.minor)) {
    throw InvalidInput(
        fmt::format("device '{}': no device has the number {}:{}", device.path, device.major, device.minor));
  }
  planned.major = static_cast<std::uint32_t>(device.major);
  planned.minor = static_cast<std::uint32_t>(device.minor);
  planned.mode = device.file_mode.value_or(0666) & 07777;
  planned.uid = device.uid.value_or(0);
  planned.gid = device.gid.value_or(0);
  return planned;
}

}  // namespace

std::vector<IdMapping> to_map(const std::vector<oci::IdMap>& lines) {
  constexpr std::size_t most_lines = 340;  // user_namespaces(7), Linux 4.15
  if (lines.size() > most_lines) throw InvalidInput(fmt::format("a map of ids has more than {} lines", most_lines));
  std::vector<IdMapping> map;
  for (const oci::IdMap& line : lines) map.push_back({line.container_id, line.host_id, line.size});
  return map;
}

void plan_mounts(const oci::RuntimeSpec& spec, const std::string& bundle, const Caller& caller, Plan& plan) {
  LaunchPlan& launch = plan.launch;
  for (const oci::Mount& mount : spec.mounts) launch.mounts.push_back(plan_mount(mount, bundle, caller, plan));
  // A /dev that is bound belongs to somebody else, who has filled it.
  launch.populate_dev = std::ranges::none_of(
      launch.mounts, [](const MountOp& op) { return op.target == "/dev" && op.kind == MountKind::bind; });
  for (const oci::Device& device : spec.linux_part.devices) {
    userns::DevicePlan planned = plan_device(device);
    // The container's own multiplexer is a link to pts/ptmx (config-linux.md, "Default Devices").
    if (!launch.populate_dev || planned.path != "/dev/ptmx") launch.devices.push_back(std::move(planned));
  }
}

std::vector<MountOp> plan_late_mounts(const std::vector<oci::Mount>& mounts, const std::string& bundle,
                                      const Caller& caller, Plan& plan) {
  std::vector<MountOp> ops;
  for (const oci::Mount& mount : mounts) {
    ops.push_back(plan_mount(mount, bundle, caller, plan));
    const MountKind kind = ops.back().kind;
    if (ops.back().ids)
      throw Unsupported(
          fmt::format("mount on '{}': other ids are for a container that is being made", ops.back().target));
    if (kind != MountKind::bind && kind != MountKind::tmpfs && kind != MountKind::remount) {
      throw Unsupported(fmt::format("mount on '{}': into a running container only binds and tmpfs can be mounted",
                                    ops.back().target));
    }
  }
  return ops;
}

}  // namespace sandbox::runtime
