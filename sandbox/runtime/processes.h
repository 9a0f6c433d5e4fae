// The processes of a container, as the host numbers them.
#pragma once

#include <vector>

#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// In numeric order. Throws Conflict when the container has stopped.
std::vector<int> processes_of(const Record& record);
/// Sends a signal to each of them; also to those that have outlived the first one in the container's cgroup. Throws
/// Conflict when there are none.
void signal_all(const Record& record, int signal);
/// Kills what runs in the container's cgroup, also what has outlived its first process: what a pid namespace of its own
/// does for a container, its cgroup does without one. False when nothing does, or it has no cgroup.
bool kill_in_cgroup(const Record& record);

}  // namespace sandbox::runtime
