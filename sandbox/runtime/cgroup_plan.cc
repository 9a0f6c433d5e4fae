#include "sandbox/runtime/cgroup_plan.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "sandbox/base/error.h"
#include "sandbox/runtime/resources.h"

namespace sandbox::runtime {
namespace {

using cgroup::Layout;
using cgroup::Surroundings;

/// Namespaces and mounts are charged to the cgroup in which they are made, and our copy of this process, too.
constexpr std::uint64_t least_for_making = 16U << 20;

constexpr const char* system_bus = "/run/dbus/system_bus_socket";

/// What can't be had without a cgroup, by its name; nullptr: nothing.
const char* first_asked(const CgroupPlan& plan) {
  if (!plan.settings.empty()) return plan.settings[0].option;
  return plan.devices_required ? "linux.resources.devices" : nullptr;
}

/// Nothing can be made: an error if something was asked for.
void refuse_if_asked(const oci::Linux& part, const CgroupPlan& plan, const std::string& reason,
                     const std::string& hint = {}) {
  if (const char* option = first_asked(plan); option != nullptr)
    throw Unsupported(fmt::format("{} can't be applied: {}", option, reason), hint);
  if (!part.cgroups_path.empty())
    throw Unsupported(fmt::format("linux.cgroupsPath '{}' can't be made: {}", part.cgroups_path, reason), hint);
}

/// "/a//b/" as "a/b". What leads above is refused.
std::string relative_path(const std::string& path) {
  const std::filesystem::path normal =
      std::filesystem::path(path.substr(std::min(path.find_first_not_of('/'), path.size()))).lexically_normal();
  std::string text = normal;
  if (text.ends_with('/')) text.pop_back();
  if (text.empty() || text == "." || *normal.begin() == "..")
    throw InvalidInput(fmt::format("linux.cgroupsPath '{}' does not name a cgroup below the root", path));
  return text;
}

// --- cgroupfs ------------------------------------------------------------------------------------

/// An absolute path counts from the root of what is mounted. Any other, and none, is below the cgroup that we are in:
/// so a scheduler's job is never left.
void plan_directory(const oci::Linux& part, const std::string& id, const Surroundings& surroundings, CgroupPlan& plan) {
  if (!surroundings.mount) {
    refuse_if_asked(part, plan,
                    surroundings.layout == Layout::none
                        ? "no cgroup v2 is mounted here"
                        : "this machine has cgroup v1 only, and v2 is what this runtime knows",
                    "boot with systemd.unified_cgroup_hierarchy=1");
    return;
  }
  const std::string& path = part.cgroups_path;
  const std::string relative = relative_path(path.empty() ? id : path);
  if (path.starts_with('/')) {
    plan.top = surroundings.mount->point;
  } else if (surroundings.writable) {
    plan.top = surroundings.directory;
  } else {
    const std::string own = surroundings.directory.empty()
                                ? "the own cgroup is not visible"
                                : fmt::format("the cgroup '{}' is not delegated to this user", surroundings.directory);
    refuse_if_asked(
        part, plan, own,
        surroundings.manager_bus.empty()
            ? "start it in a delegated cgroup, or as root: loginctl enable-linger"
            : "let the user's systemd make the cgroup, by --systemd-cgroup, or start it in a delegated one");
    return;
  }
  plan.directory = (plan.top == "/" ? "" : plan.top) + "/" + relative;
}

// --- systemd -------------------------------------------------------------------------------------

bool is_unit_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":-_.\\@").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() < 256 && std::ranges::all_of(name, allowed);  // systemd.unit(5)
}

/// slice:prefix:name, each of which may be empty but for the name.
ScopePlan plan_scope(const oci::Linux& part, const std::string& id, const Surroundings& surroundings) {
  const bool for_root = surroundings.uid == 0;
  const std::string path = part.cgroups_path.empty() ? ":sandbox:" + id : part.cgroups_path;
  const auto first = path.find(':');
  const auto second = first == std::string::npos ? first : path.find(':', first + 1);
  if (second == std::string::npos || path.find(':', second + 1) != std::string::npos) {
    throw InvalidInput(fmt::format(
        "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"{}\" instead", path));
  }
  ScopePlan scope;
  scope.slice = path.substr(0, first);
  const std::string prefix = path.substr(first + 1, second - first - 1), name = path.substr(second + 1);
  if (scope.slice.empty()) scope.slice = for_root ? "system.slice" : "user.slice";
  scope.unit = (prefix.empty() ? name : prefix + "-" + name) + ".scope";
  if (name.empty() || !is_unit_name(scope.unit) || !is_unit_name(scope.slice) || !scope.slice.ends_with(".slice")) {
    throw InvalidInput(fmt::format("cgroupsPath \"{}\" does not name a slice and a scope of systemd", path));
  }
  if (surroundings.layout != Layout::unified || !surroundings.mount) {
    throw Unsupported("systemd can't be asked for a cgroup: this machine has its controllers in cgroup v1",
                      "boot with systemd.unified_cgroup_hierarchy=1");
  }
  scope.bus = for_root ? system_bus : surroundings.manager_bus;
  if (scope.bus.empty()) {
    throw Unsupported("systemd can't be asked for a cgroup: this user has no session of it",
                      fmt::format("as root: loginctl enable-linger {}", surroundings.uid));
  }
  return scope;
}

}  // namespace

bool is_tight(std::string_view memory_max) {
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(memory_max.data(), memory_max.data() + memory_max.size(), bytes);
  return error == std::errc{} && end != memory_max.data() && bytes < least_for_making;
}

CgroupManager parse_cgroup_manager(const std::string& word) {
  if (word.empty() || word == "cgroupfs") return CgroupManager::cgroupfs;
  if (word == "systemd") return CgroupManager::systemd;
  if (word == "disabled") return CgroupManager::disabled;
  throw UsageError(fmt::format("unknown cgroup manager '{}': cgroupfs, systemd or disabled", word));
}

CgroupPlan plan_cgroup(const oci::Linux& part, const std::string& id, CgroupManager manager,
                       const Surroundings& surroundings, const CgroupUse& use) {
  CgroupPlan plan;
  plan.layout = surroundings.layout;
  plan.mount = surroundings.mount;
  if (surroundings.writable) plan.own = surroundings.directory;
  if (part.resources) plan.settings = for_new_cgroup(plan_resources(*part.resources, "config.json").settings);
  plan.devices_required = use.devices.required;
  switch (manager) {
    case CgroupManager::systemd:
      plan.scope = plan_scope(part, id, surroundings);
      break;
    case CgroupManager::cgroupfs:
      plan_directory(part, id, surroundings, plan);
      break;
    case CgroupManager::disabled:
      if (const char* option = first_asked(plan); option != nullptr) {
        throw Unsupported(fmt::format("{} can't be applied: cgroups are disabled", option));
      }
      break;
  }
  plan.asked_for = plan.scope || first_asked(plan) != nullptr || !part.cgroups_path.empty();
  if (plan.scope || !plan.directory.empty()) {
    if (!use.devices.rules.empty()) plan.device_program = cgroup::compile_device_rules(use.devices.rules);
    plan.owner = use.owner;
  }
  plan.late_entry = std::ranges::any_of(plan.settings, [](const cgroup::Setting& setting) {
    return setting.file == "memory.max" && is_tight(setting.value);
  });
  return plan;
}

}  // namespace sandbox::runtime
