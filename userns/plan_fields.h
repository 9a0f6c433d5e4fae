// The fields of a LaunchPlan and its parts, for sandbox/base/json_fields.h. All but the seccomp filter's bytes, which
// are kept in files of their own.
#pragma once

#include <span>

#include "sandbox/base/json_fields.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

inline std::span<const char* const> words_of(RootDriver) {
  static constexpr const char* words[] = {"auto", "overlay", "fuse"};
  return words;
}

inline std::span<const char* const> words_of(IdEmulation) {
  static constexpr const char* words[] = {"off", "record", "full"};
  return words;
}

inline std::span<const char* const> words_of(MountKind) {
  static constexpr const char* words[] = {"bind",   "tmpfs",   "proc",  "sysfs",  "devpts",
                                          "mqueue", "cgroup2", "other", "remount", "merge"};
  return words;
}

inline std::span<const char* const> words_of(NamespaceKind) {
  static constexpr const char* words[] = {"user", "pid",    "network", "ipc",
                                          "uts",  "cgroup", "mount",   "time"};
  return words;
}

inline std::span<const char* const> words_of(DeviceKind) {
  static constexpr const char* words[] = {"c", "b", "p"};
  return words;
}

template <class A>
void describe(A& field, Described<IdMapping> auto& mapping) {
  field("inside", mapping.inside);
  field("outside", mapping.outside);
  field("count", mapping.count);
}

template <class A>
void describe(A& field, Described<IdentityPlan> auto& identity) {
  field("nested", identity.nested);
  field("uid_map", identity.uid_map);
  field("gid_map", identity.gid_map);
  field.since(5, "emulation", identity.emulation);
}

template <class A>
void describe(A& field, Described<JoinedNamespace> auto& joined) {
  field("kind", joined.kind);
  field("path", joined.path);
}

template <class A>
void describe(A& field, Described<ClockOffset> auto& offset) {
  field("clock", offset.clock);
  field("seconds", offset.seconds);
  field("nanoseconds", offset.nanoseconds);
}

template <class A>
void describe(A& field, Described<NamespacePlan> auto& namespaces) {
  field("user", namespaces.user);
  field("pid", namespaces.pid);
  field("network", namespaces.network);
  field("ipc", namespaces.ipc);
  field("uts", namespaces.uts);
  field("cgroup", namespaces.cgroup);
  field.since(4, "time", namespaces.time);
  field.since(4, "clock_offsets", namespaces.clock_offsets);
  field("joined", namespaces.joined);
}

template <class A>
void describe(A& field, Described<RootPlan> auto& root) {
  field("lower", root.lower);
  field("upper", root.upper);
  field("work", root.work);
  field("directory", root.directory);
  field("read_only", root.read_only);
  field("no_suid", root.no_suid);
  field("upper_is_volatile", root.upper_is_volatile);
  field("driver", root.driver);
  field("lower_may_change", root.lower_may_change);
  field.since(2, "propagation", root.propagation);
  field.since(2, "propagation_of_tree", root.propagation_of_tree);
  field.since(6, "no_dev", root.no_dev);
  field.since(6, "no_pivot", root.no_pivot);
  field.since(7, "most_bytes", root.most_bytes);
  field.since(7, "most_objects", root.most_objects);
}

template <class A>
void describe(A& field, Described<MountAttributes> auto& attributes) {
  field("set", attributes.set);
  field("clear", attributes.clear);
}

template <class A>
void describe(A& field, Described<MountIds> auto& ids) {
  field("uid_map", ids.uid_map);
  field("gid_map", ids.gid_map);
  field("of_tree", ids.of_tree);
}

template <class A>
void describe(A& field, Described<MountOp> auto& mount) {
  field("kind", mount.kind);
  field("type", mount.type);
  field("source", mount.source);
  field("target", mount.target);
  field("data", mount.data);
  field("read_only", mount.read_only);
  field("no_suid", mount.no_suid);
  field("no_dev", mount.no_dev);
  field("no_exec", mount.no_exec);
  field("recursive", mount.recursive);
  field("own", mount.own);
  field("tree", mount.tree);
  field("propagation", mount.propagation);
  field("propagation_of_tree", mount.propagation_of_tree);
  field.since(6, "ids", mount.ids);
  field.since(8, "below", mount.below);
  field("copy_up", mount.copy_up);
  field.since(15, "follows", mount.follows);
  field.since(15, "lower", mount.lower);
  field.since(15, "upper", mount.upper);
  field.since(15, "work", mount.work);
}

template <class A>
void describe(A& field, Described<DevicePlan> auto& device) {
  field("path", device.path);
  field("kind", device.kind);
  field("major", device.major);
  field("minor", device.minor);
  field("mode", device.mode);
  field("uid", device.uid);
  field("gid", device.gid);
}

template <class A>
void describe(A& field, Described<Sysctl> auto& sysctl) {
  field("name", sysctl.name);
  field("value", sysctl.value);
}

template <class A>
void describe(A& field, Described<Rlimit> auto& limit) {
  field("resource", limit.resource);
  field("soft", limit.soft);
  field("hard", limit.hard);
}

template <class A>
void describe(A& field, Described<NetworkInterface> auto& network) {
  field("name", network.name);
  field("address", network.address);
  field("prefix", network.prefix);
  field("gateway", network.gateway);
  field("mtu", network.mtu);
  field.since(14, "hardware_address", network.hardware_address);
}

template <class A>
void describe(A& field, Described<CapabilitySets> auto& sets) {
  field("permitted", sets.permitted);
  field("effective", sets.effective);
  field("inheritable", sets.inheritable);
  field("ambient", sets.ambient);
}

template <class A>
void describe(A& field, Described<ConsoleSize> auto& size) {
  field("rows", size.rows);
  field("columns", size.columns);
}

template <class A>
void describe(A& field, Described<SchedulerPlan> auto& scheduler) {
  field("policy", scheduler.policy);
  field("flags", scheduler.flags);
  field("nice", scheduler.nice);
  field("priority", scheduler.priority);
  field("runtime", scheduler.runtime);
  field("deadline", scheduler.deadline);
  field("period", scheduler.period);
}

template <class A>
void describe(A& field, Described<MemoryPolicy> auto& policy) {
  field("mode", policy.mode);
  field("nodes", policy.nodes);
}

template <class A>
void describe(A& field, Described<TaskAttributes> auto& attributes) {
  field("scheduler", attributes.scheduler);
  field("io_priority", attributes.io_priority);
  field("personality", attributes.personality);
  field("memory_policy", attributes.memory_policy);
  field("cpus", attributes.cpus);
}

template <class A>
void describe(A& field, Described<EmulatedIds> auto& ids) {
  field("uid", ids.uid);
  field("gid", ids.gid);
  field("groups", ids.groups);
}

template <class A>
void describe(A& field, Described<ProcessPlan> auto& process) {
  field("argv", process.argv);
  field("env", process.env);
  field.since(3, "finds_home", process.finds_home);
  field("cwd", process.cwd);
  field("uid", process.uid);
  field("gid", process.gid);
  field("groups", process.groups);
  field.since(5, "emulated", process.emulated);
  field("umask", process.umask);
  field("capabilities", process.capabilities);
  field("capability_sets", process.capability_sets);
  field("no_new_privs", process.no_new_privs);
  field("seccomp_flags", process.seccomp_flags);
  field("rlimits", process.rlimits);
  field.since(3, "attributes", process.attributes);
  field.since(6, "apparmor_profile", process.apparmor_profile);
  field.since(6, "selinux_label", process.selinux_label);
  field("oom_score_adj", process.oom_score_adj);
  field("terminal", process.terminal);
  field("console_size", process.console_size);
  field("init", process.init);
  field("new_keyring", process.new_keyring);
  field("detached", process.detached);
}

template <class A>
void describe(A& field, Described<LaunchPlan> auto& plan) {
  field("identity", plan.identity);
  field("namespaces", plan.namespaces);
  field("root", plan.root);
  field("mounts", plan.mounts);
  field("populate_dev", plan.populate_dev);
  field("devices", plan.devices);
  field("masked_paths", plan.masked_paths);
  field("read_only_paths", plan.read_only_paths);
  field("sysctls", plan.sysctls);
  field("hostname", plan.hostname);
  field("domainname", plan.domainname);
  field.since(6, "mount_label", plan.mount_label);
  field("network", plan.network);
  field("process", plan.process);
}

}  // namespace sandbox::userns
