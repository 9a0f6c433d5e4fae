#include "sandbox/runtime/features.h"

#include "profiles/capabilities.h"
#include "profiles/seccomp.h"
#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/mount_options.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/plan_attributes.h"
#include "sandbox/runtime/seccomp.h"

namespace sandbox::runtime {

OrderedJson features_document() {
  const OrderedJson seccomp{{"enabled", true},
                            {"actions", profiles::seccomp_actions()},
                            {"operators", profiles::seccomp_operators()},
                            {"archs", seccomp_architectures()},
                            {"knownFlags", seccomp_flag_names()},
                            {"supportedFlags", seccomp_flag_names()}};
  return {{"ociVersionMin", "1.0.0"},
          {"ociVersionMax", oci::kSpecVersion},
          {"hooks", {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}},
          {"mountOptions", known_mount_options()},
          {"linux",
           {{"namespaces", namespace_types()},
            {"capabilities", profiles::capability_names(profiles::all_capabilities())},
            {"seccomp", seccomp},
            {"cgroup", {{"v1", false}, {"v2", true}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}}},
            {"apparmor", {{"enabled", true}}},
            {"selinux", {{"enabled", true}}},
            {"memoryPolicy", {{"modes", memory_policy_modes()}, {"flags", memory_policy_flags()}}},
            {"intelRdt", {{"enabled", true}, {"schemata", true}, {"monitoring", true}}},
            {"mountExtensions", {{"idmap", {{"enabled", true}}}}},
            {"netDevices", {{"enabled", true}}}}}};
}

}  // namespace sandbox::runtime
