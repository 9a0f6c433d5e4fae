// The decision about a container's cgroup: where it is, who makes it, what it limits. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/cgroup/placement.h"
#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/device_rules.h"

namespace sandbox::runtime {

enum class CgroupManager { cgroupfs, systemd, disabled };

/// A transient scope of systemd's, in which the cgroup is made.
struct ScopePlan {
  std::string bus, unit, slice;
};

/// What the container does with its cgroup beside being limited in it.
struct CgroupUse {
  DeviceGuard devices;
  std::optional<std::uint32_t> owner;  ///< The id, in our user namespace, that gets what delegation means (cgroups(7)).
};

struct CgroupPlan {
  /// In a scope: known when systemd has made that. Empty without a scope: no cgroup of the container's own.
  std::string directory;
  std::string top;  ///< Exists; what lies between it and `directory` is made when absent.
  std::string own;  ///< What is in there may be moved into a leaf of it, so that its children can have limits.
  cgroup::Layout layout = cgroup::Layout::none;
  std::optional<cgroup::CgroupMount> mount;
  std::optional<ScopePlan> scope;
  std::vector<cgroup::Setting> settings;
  /// So little memory that making the container would not fit: its process enters when everything is made.
  bool late_entry = false;
  std::vector<std::byte> device_program;  ///< Empty: nothing to enforce.
  bool devices_required = false;          ///< Better no container than one without the program.
  std::optional<std::uint32_t> owner;
  bool asked_for = false;  ///< Otherwise it must not be the reason of a failure.
};

/// Throws InvalidInput for a path that is none; Unsupported, naming the member, for limits or a path that can't be had
/// where `surroundings` are. Without either there is a cgroup where it costs nothing.
CgroupPlan plan_cgroup(const oci::Linux& part, const std::string& id, CgroupManager manager,
                       const cgroup::Surroundings& surroundings, const CgroupUse& use = {});

/// Whether a limit in bytes ("max", "65536") is too small for the runtime's own work in the cgroup.
bool is_tight(std::string_view memory_max);

/// "cgroupfs", "systemd" or "disabled". Throws UsageError.
CgroupManager parse_cgroup_manager(const std::string& word);

}  // namespace sandbox::runtime
