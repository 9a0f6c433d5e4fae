// linux.resources of a configuration as writes into files of cgroup v2 (runtime-spec config-linux.md, "Control groups";
// kernel documentation, admin-guide/cgroup-v2.rst). Pure.
//
// The specification is written in the terms of cgroup v1. They are translated as runc and crun do; what has no
// counterpart is refused by name. 0 is "not set" in members where it would be no limit at all, -1 "no limit".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/cgroup/limits.h"

namespace sandbox::runtime {

/// What an `update` builds upon: of pairs of values the kernel takes both or none.
struct PresentLimits {
  std::string cpu_quota = "max";       ///< First word of cpu.max.
  std::optional<std::int64_t> memory;  ///< memory.max in bytes, -1 for "max"; none: not known.
};

struct Resources {
  std::vector<cgroup::Setting> settings;  ///< In the order of writing.
  bool check_memory = false;              ///< A memory limit below what is used is refused, and nobody killed for it.
};

/// `resources`: the object; `what` names the document. `devices` is not among the settings: see plan.cc. Throws
/// InvalidInput, or Unsupported for what cgroup v2 does not have.
Resources plan_resources(const Json& resources, std::string_view what, const PresentLimits& present = {});

/// Without those that say what holds in a new cgroup anyway: engines write down limits that are none.
std::vector<cgroup::Setting> for_new_cgroup(std::vector<cgroup::Setting> settings);

}  // namespace sandbox::runtime
