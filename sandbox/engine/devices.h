// --device and --gpus: devices of the host that a container gets. Runs in the client.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sandbox/engine/mounts.h"
#include "sandbox/engine/requests.h"
#include "userns/launch_plan.h"

namespace sandbox::engine {

struct ChosenDevices {
  std::vector<userns::DevicePlan> nodes;
  std::vector<UserMount> mounts;  ///< Of devices that are named by their vendor (cdi.h).
  std::vector<std::string> env;
};
/// What the request's words come to: "/dev/kvm", "/dev/kvm:/dev/kvm:rwm", "vendor.com/class=name". `notice` gets what a
/// vendor's device wants and can't have. Throws UsageError; NotFound; Unsupported for what the caller may not open,
/// which no container of the caller's could.
ChosenDevices choose_devices(const RunRequest& request, const std::function<void(const std::string& line)>& notice);

/// A device that is mounted as a volume can't be opened: says so.
void warn_of_devices(const std::vector<UserMount>& mounts, const std::function<void(const std::string& line)>& notice);

}  // namespace sandbox::engine
