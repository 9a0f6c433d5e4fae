#include "sandbox/container/helpers.h"

#include <algorithm>

#include "fuse-overlay/overlay_server.h"
#include "fuse-overlay/store/owner_record.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "userns/kept_namespace.h"

namespace sandbox::container {
namespace {

overlay::ServerConfig overlay_config(const userns::LaunchPlan& plan) {
  overlay::ServerConfig config{.lower = plan.root.lower,
                               .upper = plan.root.upper,
                               .work = plan.root.work,
                               .most_bytes = plan.root.most_bytes,
                               .most_objects = plan.root.most_objects,
                               .lower_may_change = plan.root.lower_may_change};
  const auto maps_one = [](const auto& map) { return map.size() == 1 && map.front().count == 1; };
  if (maps_one(plan.identity.uid_map) && maps_one(plan.identity.gid_map)) {
    config.squash = {plan.identity.uid_map.front().inside, plan.identity.gid_map.front().inside};
  } else if (plan.identity.nested && !plan.root.lower_may_change) {  // a tree of the host is shown as the kernel does
    config.uids = shown_ids(plan.identity.uid_map);
    config.gids = shown_ids(plan.identity.gid_map);
  }
  return config;
}

}  // namespace

std::vector<overlay::IdLine> shown_ids(const std::vector<userns::IdMapping>& map) {
  std::vector<overlay::IdLine> lines;
  for (const auto& line : map) lines.push_back({.shown = line.outside, .disk = line.inside, .count = line.count});
  if (std::ranges::all_of(lines, [](const auto& line) { return line.shown == line.disk; })) return {};
  const auto is_shown = [&](std::uint32_t id) {
    return std::ranges::any_of(lines, [id](const auto& line) { return id - line.shown < line.count; });
  };
  const auto stranger = std::ranges::find_if(map, [&](const auto& line) { return !is_shown(line.inside); });
  if (stranger == map.end()) return lines;
  auto& last = *std::ranges::max_element(lines, {}, &overlay::IdLine::shown);
  --last.count;
  lines.push_back({.shown = stranger->inside, .disk = last.disk + last.count, .count = 1});
  return lines;
}

netstack::Config network_config(const Spec& spec) {
  netstack::Config config;
  const auto& network = *spec.plan.network;
  config.guest_address = network.address;
  config.gateway = network.gateway;
  config.prefix = network.prefix;
  config.mtu = network.mtu;
  for (const auto& port : spec.ports) {
    config.forwards.push_back({port.host_ip, port.host_port, port.container_port, port.udp});
  }
  return config;
}

ownership::Config ownership_config(const Container& container, const std::string& data) {
  const userns::LaunchPlan& plan = container.spec.plan;
  ownership::Config config{plan.identity.uid_map.front().inside, plan.identity.gid_map.front().inside, plan.root.upper,
                           fmt::format("{}/{}", container.directory, overlay::kOwnerFile), {}};
  // What is mounted of the host's own stays as it is.
  const std::string volumes = data + "/volumes/";
  for (const auto& mount : plan.mounts) {
    const bool is_volume = mount.kind == userns::MountKind::bind &&
                           (mount.source.starts_with(volumes) || mount.below.starts_with(volumes));
    if (is_volume || mount.kind == userns::MountKind::tmpfs || !mount.upper.empty())
      config.recorded.push_back(mount.target);
  }
  return config;
}

std::vector<std::uint32_t> played_ids(const userns::ProcessPlan& process) {
  if (!process.emulated) return {process.uid, process.gid};
  std::vector<std::uint32_t> ids{process.emulated->uid, process.emulated->gid};
  ids.insert(ids.end(), process.emulated->groups.begin(), process.emulated->groups.end());
  return ids;
}

userns::LaunchHooks launch_hooks(const userns::LaunchPlan& plan, HelperProcess& overlay) {
  return {.create_nic = [](const userns::NetworkInterface& nic) {
            return netstack::create_nic(nic.name, nic.address, nic.prefix, nic.gateway, nic.mtu, nic.hardware_address);
          },
          .bring_up_loopback = [] { netstack::bring_up_loopback(); },
          .serve_root = [&plan, &overlay](Fd device, Fd user_namespace) {
            overlay = overlay::spawn_overlay(overlay_config(plan), device, user_namespace);
          }};
}

void make_scratch(const userns::LaunchPlan& plan) {
  for (const userns::MountOp& mount : plan.mounts) {
    if (mount.upper.empty()) continue;
    userns::remove_tree_of_all_ids(mount.work);  // what it holds of an earlier mount would forbid the next one
    make_directories(mount.work);
    make_directories(mount.upper);
    const auto lower =
        sys::fstatat(AT_FDCWD, mount.lower.front().c_str(), 0) | or_throw("looking at '{}'", mount.lower.front());
    // An owner without an id here stays ours: nobody could be told of it anyway.
    (void)sys::fchownat(AT_FDCWD, mount.upper.c_str(), lower.st_uid, lower.st_gid, AT_SYMLINK_NOFOLLOW);
    sys::fchmodat(AT_FDCWD, mount.upper.c_str(), lower.st_mode & 07777) |
        or_throw("setting the mode of '{}'", mount.upper);
  }
}

void renew_scratch(const userns::LaunchPlan& plan) {
  for (const userns::MountOp& mount : plan.mounts) {
    if (!mount.upper.empty()) userns::remove_tree_of_all_ids(mount.upper);
  }
  make_scratch(plan);
}

}  // namespace sandbox::container
