// The mounts and devices of config.json as operations of the launch plan. Pure.
#pragma once

#include <string>
#include <vector>

#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/plan.h"

namespace sandbox::runtime {

/// Throws InvalidInput for more lines than the kernel takes.
std::vector<userns::IdMapping> to_map(const std::vector<oci::IdMap>& lines);

/// Mounts for a container that runs: binds, new tmpfs and changes of what is mounted. Throws Unsupported for others,
/// which show a namespace or need rights over the machine.
std::vector<userns::MountOp> plan_late_mounts(const std::vector<oci::Mount>& mounts, const std::string& bundle,
                                              const Caller& caller, Plan& plan);
/// Fills mounts, populate_dev and devices. Precondition: launch.namespaces and launch.identity are planned.
void plan_mounts(const oci::RuntimeSpec& spec, const std::string& bundle, const Caller& caller, Plan& plan);

}  // namespace sandbox::runtime
