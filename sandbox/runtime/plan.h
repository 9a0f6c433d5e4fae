// The decision about a container of the OCI runtime: its config.json and who asks, as a launch plan. Pure: what the
// kernel and the file system say comes in through Caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/cgroup_plan.h"
#include "userns/launch_plan.h"
#include "userns/subordinate_ids.h"

namespace sandbox::runtime {

/// Who runs the runtime.
struct Caller {
  std::uint32_t uid = 0, gid = 0;  ///< Effective ids. 0: root of its user namespace, which may be an ordinary user's.
  std::uint64_t capabilities = 0;  ///< Permitted.
  bool initial_namespace = false;  ///< It is the host's own user namespace, in which root can make device nodes.
  bool may_set_groups = true;      ///< /proc/self/setgroups
  bool apparmor = false, selinux = false;  ///< The kernel's security modules that are on.
  std::vector<userns::IdMapping> gid_map;  ///< Of its user namespace.
  userns::SubordinateIds ids;              ///< Its ranges.
};

/// What the command line adds.
struct PlanOptions {
  bool no_new_keyring = false, no_pivot = false;
  unsigned preserved_fds = 0;  ///< Announced to the process as LISTEN_FDS when the caller got them so.
  bool listen_fds = false;
  bool keeps_groups = false;  ///< Supplementary groups stay the caller's, though the container has no names for them.
};

/// One of the host's network that goes into the container's.
struct NetworkDevice {
  std::string host_name, name;
};

/// Groups of the resctrl file system (intel_rdt.h).
struct RdtPlan {
  std::string group;                  ///< Name of a control group; "/": the default one; empty: the container's own.
  std::vector<std::string> schemata;  ///< Lines of the group's file of that name, in the order of writing.
  bool monitored = false;             ///< In a monitoring group of the container's own.
};

struct Plan {
  userns::LaunchPlan launch;
  CgroupUse cgroup;
  std::optional<RdtPlan> rdt;
  std::vector<NetworkDevice> network_devices;
  std::vector<std::string> warnings;  ///< What could not be granted and need not be (capabilities).
};

/// `bundle`: absolute path of the directory of config.json. The seccomp filter is compiled elsewhere (seccomp.h).
/// Throws InvalidInput for what the specification forbids, Unsupported for what this program can't do.
Plan plan_container(const oci::RuntimeSpec& spec, const std::string& bundle, const Caller& caller,
                    const PlanOptions& options);

/// Whether the annotation of Podman's `--group-add keep-groups` asks for PlanOptions::keeps_groups.
bool keeps_groups(const std::map<std::string, std::string>& annotations);

/// The part of it that a process which joins the container has to fit to: namespaces and ids.
userns::LaunchPlan plan_namespaces_and_ids(const oci::RuntimeSpec& spec, const Caller& caller);

/// A process of the container: its first, or one of `exec`, with the rights of `launch`'s namespaces and ids.
userns::ProcessPlan plan_process(const oci::Process& process, const userns::LaunchPlan& launch, const Caller& caller,
                                 const PlanOptions& options, std::vector<std::string>& warnings);

/// The types of namespaces that a configuration may name.
std::vector<std::string> namespace_types();

}  // namespace sandbox::runtime
