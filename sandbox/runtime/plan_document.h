// What is decided about a container as one JSON document: for `--print-plan` and the golden tests. Pure.
#pragma once

#include "sandbox/base/json_fwd.h"
#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/cgroup_plan.h"
#include "sandbox/runtime/plan.h"

namespace sandbox::runtime {

/// The fields of userns::LaunchPlan, and "cgroup", "networkDevices", "intelRdt", "hooks" and "warnings". Of the seccomp
/// filter, which is to be in `plan` already, there is its size and digest.
Json plan_document(const Plan& plan, const CgroupPlan& cgroup, const oci::Hooks& hooks);

}  // namespace sandbox::runtime
