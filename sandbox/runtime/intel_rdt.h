// Cache and memory bandwidth for a container, and their measurement, by the kernel's resctrl file system (runtime-spec
// config-linux.md, "IntelRdt"; Linux Documentation/filesystems/resctrl.rst).
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// None when linux.intelRdt is not asked for. Pure. Throws InvalidInput.
std::optional<RdtPlan> plan_intel_rdt(const oci::Linux& part);

/// Where resctrl is mounted. Throws Unsupported when it is nowhere.
std::string find_resctrl();

/// Puts the process into the groups, which are made where the specification wants that; `record` names those that go
/// with the container, and `save` keeps it, before there is one. Throws Conflict for a group with other schemata,
/// SysError.
void apply_intel_rdt(const RdtPlan& plan, const std::string& resctrl, pid_t pid, Record& record,
                     const std::function<void()>& save);

/// What can't be removed becomes a warning.
void remove_intel_rdt(const Record& record, std::vector<std::string>& warnings);

}  // namespace sandbox::runtime
