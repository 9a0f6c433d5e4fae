// --device: devices of the host that a container gets. Runs in the client.
#pragma once

#include <string>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::engine {

/// "/dev/kvm", "/dev/kvm:/dev/kvm:rwm". Throws UsageError; Unsupported for what the caller may not open, which no
/// container of the caller's could.
std::vector<userns::DevicePlan> find_devices(const std::vector<std::string>& words);

}  // namespace sandbox::engine
