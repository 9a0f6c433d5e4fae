// What a container's plan means for the helper processes of its supervisor: network and root file system.
#pragma once

#include "fuse-overlay/tree/id_translation.h"
#include "netstack/netstack.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/spec.h"
#include "sandbox/ownership/ownership.h"
#include "userns/launch.h"

namespace sandbox::container {

/// Precondition: the plan has a network. Pure.
netstack::Config network_config(const Spec& spec);

/// Precondition: the plan emulates ids. Pure.
ownership::Config ownership_config(const Container& container, const std::string& data);
/// The ids that the process believes to have: user, group, supplementary groups. Pure.
std::vector<std::uint32_t> played_ids(const userns::ProcessPlan& process);

/// How owners are shown in a container with this map of ids, whose numbers on disk are those of the namespace around
/// its own: as they are on disk, but for the last id there, which is shown as one that the container has and the
/// namespace hasn't. Empty where they are the same anyway. Pure.
std::vector<overlay::IdLine> shown_ids(const std::vector<userns::IdMapping>& map);

/// What the launch calls back for. `overlay` gets the process that serves the root, where one is needed; both
/// arguments outlive the launch.
userns::LaunchHooks launch_hooks(const userns::LaunchPlan& plan, HelperProcess& overlay);

/// Makes what is absent of the directories that the plan's merges write to, with owner and mode of what lies beneath.
/// Precondition: the process is of the user namespace that the container's is nested in. Throws SysError.
void make_scratch(const userns::LaunchPlan& plan);
/// The same without what an earlier run of the container has written there.
void renew_scratch(const userns::LaunchPlan& plan);

}  // namespace sandbox::container
