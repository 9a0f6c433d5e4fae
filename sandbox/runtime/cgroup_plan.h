// The decision about a container's cgroup: where it is, who makes it, what it limits. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/cgroup/placement.h"
#include "sandbox/oci/runtime_spec.h"

namespace sandbox::runtime {

enum class CgroupManager { cgroupfs, systemd, disabled };

/// A transient scope of systemd's, in which the cgroup is made.
struct ScopePlan {
  std::string bus, unit, slice;
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
  bool asked_for = false;  ///< Otherwise it must not be the reason of a failure.
};

/// Throws InvalidInput for a path that is none; Unsupported, naming the member, for limits or a path that can't be had
/// where `surroundings` are. Without either there is a cgroup where it costs nothing.
CgroupPlan plan_cgroup(const oci::Linux& part, const std::string& id, CgroupManager manager,
                       const cgroup::Surroundings& surroundings);

/// Whether a limit in bytes ("max", "65536") is too small for the runtime's own work in the cgroup.
bool is_tight(std::string_view memory_max);

/// "cgroupfs", "systemd" or "disabled". Throws UsageError.
CgroupManager parse_cgroup_manager(const std::string& word);

}  // namespace sandbox::runtime
