#include "sandbox/runtime/features.h"

#include "profiles/capabilities.h"
#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/mount_options.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/plan_attributes.h"

namespace sandbox::runtime {

OrderedJson features_document() {
  const OrderedJson seccomp{
      {"enabled", true},
      {"actions",
       {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"}},
      {"operators",
       {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
        "SCMP_CMP_NE"}}};
  return {{"ociVersionMin", "1.0.0"},
          {"ociVersionMax", oci::kSpecVersion},
          {"hooks", {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}},
          {"mountOptions", known_mount_options()},
          {"linux",
           {{"namespaces", namespace_types()},
            {"capabilities", profiles::capability_names(profiles::all_capabilities())},
            {"seccomp", seccomp},
            {"cgroup",
             {{"v1", false}, {"v2", true}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}}},
            {"apparmor", {{"enabled", false}}},
            {"selinux", {{"enabled", false}}},
            {"memoryPolicy", {{"modes", memory_policy_modes()}, {"flags", memory_policy_flags()}}},
            {"intelRdt", {{"enabled", false}}},
            {"mountExtensions", {{"idmap", {{"enabled", false}}}}},
            {"netDevices", {{"enabled", false}}}}}};
}

}  // namespace sandbox::runtime
