// --device: devices of the host that a container gets. Runs in the client.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sandbox/engine/mounts.h"
#include "userns/launch_plan.h"

namespace sandbox::engine {

/// "/dev/kvm", "/dev/kvm:/dev/kvm:rwm". Throws UsageError; Unsupported for what the caller may not open, which no
/// container of the caller's could.
std::vector<userns::DevicePlan> find_devices(const std::vector<std::string>& words);

/// A device that is mounted as a volume can't be opened: says so.
void warn_of_devices(const std::vector<UserMount>& mounts, const std::function<void(const std::string& line)>& notice);

}  // namespace sandbox::engine
