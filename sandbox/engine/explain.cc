// See explain.h.
#include "sandbox/engine/explain.h"

#include <algorithm>
#include <filesystem>

#include "profiles/capabilities.h"
#include "profiles/filter_answers.h"
#include "sandbox/base/error.h"
#include "sandbox/engine/devices.h"
#include "sandbox/engine/plan_container.h"

namespace sandbox::engine {
namespace {

using userns::MountKind;
using userns::MountOp;

/// Of a container that is never made.
constexpr std::string_view kOwnDirectory = "/containers/any/";

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

bool is_below_any(const std::string& path, const std::vector<std::string>& directories) {
  return std::ranges::any_of(directories, [&](const std::string& one) { return is_below(path, one); });
}

/// The last mount that covers the path; nullptr: the root does.
const MountOp* mount_of(const std::vector<MountOp>& mounts, const std::string& path) {
  const MountOp* found = nullptr;
  for (const MountOp& mount : mounts) {
    if (mount.kind != MountKind::remount && is_below(path, mount.target)) found = &mount;
  }
  return found;
}

std::string what_is_mounted(const MountOp& mount, const std::string& path) {
  switch (mount.kind) {
    case MountKind::bind:
      if (mount.source.starts_with(kOwnDirectory)) return "made for the container";
      return fmt::format("the host's {}{}", mount.source, path.substr(mount.target.size()));
    case MountKind::tmpfs:
      return fmt::format("in memory (a tmpfs at {}), gone with the container", mount.target);
    case MountKind::proc:
      return "the kernel's, of the container's processes (proc)";
    case MountKind::sysfs:
      return "the kernel's (sysfs)";
    case MountKind::cgroup2:
      return "the container's own control group";
    default:
      return fmt::format("the container's own, mounted at {}", mount.target);
  }
}

}  // namespace

userns::LaunchPlan plan_of_any_image(const RunRequest& request) {
  PlanInput input;
  input.request = request;
  input.request.image = "any";
  input.request.command = {"any"};
  input.request.group_add.clear();  // of the image's groups
  input.host.notifies = true;  // what the machine can't do is for 'run' to say
  ChosenDevices devices = choose_devices(request, [](const std::string&) {});
  input.devices = std::move(devices.nodes);
  input.inherited = std::move(devices.mounts);
  input.lower = {"any"};
  input.id = "any";
  input.name = "any";
  return plan(input).plan;
}

std::string explain_call(std::span<const std::byte> filter, const std::string& name) {
  const auto number = profiles::call_number(name);
  if (!number) {
    throw UsageError(fmt::format("'{}' is no system call of this machine", name),
                     "a path begins with '/', a capability with 'CAP_'");
  }
  const auto answers = profiles::possible_answers(filter, *number);
  std::string text;
  for (const std::uint32_t answer : answers) text += (text.empty() ? "" : ", or ") + profiles::answer_text(answer);
  return answers.size() == 1 ? text : "by its arguments: " + text;
}

std::string explain_capability(const userns::LaunchPlan& plan, const std::string& name) {
  const std::uint64_t bit = profiles::capability_bit(name);
  if ((plan.process.capabilities & bit) == 0) return "not held";
  return "held by root in the container, for what belongs to the container's user namespace";
}

std::string explain_path(const userns::LaunchPlan& plan, const std::string& path) {
  std::string clean = std::filesystem::path("/" + path).lexically_normal();
  if (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  if (is_below_any(clean, plan.masked_paths)) return "hidden";
  if (std::ranges::find(plan.devices, clean, &userns::DevicePlan::path) != plan.devices.end()) {
    return "writable: the host's device";
  }
  const MountOp* const mount = mount_of(plan.mounts, clean);
  const bool read_only = is_below_any(clean, plan.read_only_paths) || (mount ? mount->read_only : plan.root.read_only);
  const std::string whose = mount ? what_is_mounted(*mount, clean)
                            : plan.root.read_only ? "the image's" : "the image's, changes are the container's own";
  return fmt::format("{}: {}", read_only ? "read-only" : "writable", whose);
}

}  // namespace sandbox::engine
