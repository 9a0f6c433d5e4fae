// linux.resources.devices (runtime-spec config-linux.md, "Allowed Device list"): what it asks for, and whether a
// container may be without its enforcement. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/cgroup/device_program.h"

namespace sandbox::userns {
struct LaunchPlan;
}

namespace sandbox::runtime {

struct Caller;

struct DeviceGuard {
  /// The configuration's, then the devices that every container may use (the runtimes' list: config-linux.md, "Default
  /// Devices", terminals, and the making of any node). Empty: nothing is to be enforced.
  std::vector<cgroup::DeviceRule> rules;
  bool asked_for = false;  ///< By the configuration; otherwise it is only what is usual.
  /// Without enforcement the container could do what the rules forbid. Elsewhere none of its processes can make a
  /// device node, in a user namespace (user_namespaces(7)) or without CAP_MKNOD: then the devices are those that were
  /// put into its /dev, which the configuration itself names, as nodes of the image mean nothing (its root is mounted
  /// nodev).
  bool required = false;
  bool open =
      false;  ///< The rules allow everything, and the container is root of the host's: nodes may mean something.
};

/// `resources`: an object like linux.resources, or null; `what` names the document. Throws InvalidInput.
DeviceGuard plan_device_guard(const Json& resources, std::string_view what, const userns::LaunchPlan& launch,
                              const Caller& caller);

}  // namespace sandbox::runtime
