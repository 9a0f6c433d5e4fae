#include "sandbox/runtime/plan.h"

#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <unordered_map>

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"
#include "sandbox/runtime/device_rules.h"
#include "sandbox/runtime/intel_rdt.h"
#include "sandbox/runtime/mount_options.h"
#include "sandbox/runtime/plan_attributes.h"
#include "sandbox/runtime/plan_mounts.h"
#include "userns/kernel_settings.h"

namespace sandbox::runtime {
namespace {

using userns::IdMapping;
using userns::LaunchPlan;
using userns::NamespaceKind;
using userns::NamespacePlan;

// --- namespaces and ids --------------------------------------------------------------------------

struct NamespaceWord {
  std::string_view type;
  NamespaceKind kind;
  bool NamespacePlan::* is_new;
};
constexpr NamespaceWord namespace_words[] = {{"user", NamespaceKind::user, &NamespacePlan::user},
                                             {"pid", NamespaceKind::pid, &NamespacePlan::pid},
                                             {"network", NamespaceKind::network, &NamespacePlan::network},
                                             {"ipc", NamespaceKind::ipc, &NamespacePlan::ipc},
                                             {"uts", NamespaceKind::uts, &NamespacePlan::uts},
                                             {"cgroup", NamespaceKind::cgroup, &NamespacePlan::cgroup},
                                             {"time", NamespaceKind::time, &NamespacePlan::time}};

bool joins(const NamespacePlan& plan, NamespaceKind kind) {
  return std::ranges::find(plan.joined, kind, &userns::JoinedNamespace::kind) != plan.joined.end();
}

bool has_own(const NamespacePlan& plan, NamespaceKind kind) {
  const auto* word = std::ranges::find(namespace_words, kind, &NamespaceWord::kind);
  return plan.*(word->is_new) || joins(plan, kind);
}

NamespacePlan plan_namespaces(const oci::RuntimeSpec& spec, const Caller& caller) {
  NamespacePlan plan;
  for (const NamespaceWord& word : namespace_words) plan.*(word.is_new) = false;
  bool mount = false;
  for (const oci::Namespace& space : spec.linux_part.namespaces) {
    if (space.type == "mount") {
      mount = true;
      if (space.path.empty()) continue;
      throw Unsupported("a mount namespace of others can't be joined: its root would become another for all in it",
                        "leave the path out, and bind what the container needs of it");
    }
    const auto* word = std::ranges::find(namespace_words, space.type, &NamespaceWord::type);
    if (word == std::end(namespace_words)) {
      throw InvalidInput(fmt::format("namespace \"{}\" does not exist", space.type));
    }
    if (space.path.empty()) {
      plan.*(word->is_new) = true;
    } else {
      plan.joined.push_back({word->kind, space.path});
    }
  }
  if (!mount)
    throw Unsupported("a container without a mount namespace of its own would have the host's mounts changed");
  // Who has no rights over the present one makes a new one whatever was asked for; nothing else would work.
  if (caller.uid != 0 && !joins(plan, NamespaceKind::user)) plan.user = true;
  return plan;
}

std::vector<userns::ClockOffset> plan_clock_offsets(const oci::Linux& part, const NamespacePlan& namespaces) {
  std::vector<userns::ClockOffset> offsets;
  if (!part.time_offsets) return offsets;
  constexpr std::uint32_t second = 1'000'000'000;  // in nanoseconds
  for (const auto& [clock, value] : oci::Value(*part.time_offsets, "config.json", "linux.timeOffsets").members()) {
    if (clock != "monotonic" && clock != "boottime") value.fail("is no clock of time namespaces");
    const auto nanoseconds = value.integer<std::uint32_t>("nanosecs").value_or(0);
    if (nanoseconds >= second) value.at("nanosecs").fail("is a second or more");
    offsets.push_back({clock, value.integer<std::int64_t>("secs").value_or(0), nanoseconds});
  }
  if (offsets.empty()) return offsets;
  if (!namespaces.time) throw InvalidInput("linux.timeOffsets are for a new time namespace, and none is asked for");
  // While the file is written the new process could be looked into (userns/dumpable.h), by those with the same rights.
  if (joins(namespaces, NamespaceKind::user)) {
    throw Unsupported("linux.timeOffsets can't be set safely in a user namespace of others",
                      "give the container a user namespace of its own, or join a time namespace");
  }
  return offsets;
}

userns::IdentityPlan plan_identity(const oci::Linux& part, const Caller& caller) {
  userns::IdentityPlan identity{caller.uid == 0, to_map(part.uid_mappings), to_map(part.gid_mappings)};
  if (identity.uid_map.empty() != identity.gid_map.empty()) {
    throw InvalidInput("one of uidMappings and gidMappings is given without the other");
  }
  if (!identity.uid_map.empty()) return identity;
  if (caller.uid == 0) throw InvalidInput("user namespaces enabled, but no mappings found");
  identity.uid_map = userns::map_with_ranges(caller.uid, caller.ids.uids);
  identity.gid_map = userns::map_with_ranges(caller.gid, caller.ids.gids);
  return identity;
}

bool is_mapped(const std::vector<IdMapping>& map, std::uint32_t id) {
  return std::ranges::any_of(map, [&](const auto& line) { return id >= line.inside && id - line.inside < line.count; });
}

/// One id of one's own, mapped without help, has its price: setgroups(2) stays denied (user_namespaces(7)).
bool may_set_groups(const LaunchPlan& launch, const Caller& caller) {
  if (!launch.namespaces.user) return caller.may_set_groups && !joins(launch.namespaces, NamespaceKind::user);
  const auto is_one = [](const std::vector<IdMapping>& map, std::uint32_t own) {
    return map.size() == 1 && map[0].count == 1 && map[0].outside == own;
  };
  return launch.identity.nested ||
         !(is_one(launch.identity.uid_map, caller.uid) && is_one(launch.identity.gid_map, caller.gid));
}

// --- process -------------------------------------------------------------------------------------

struct LimitWord {
  std::string_view name;
  int resource;
};
constexpr LimitWord limit_words[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

std::vector<userns::Rlimit> plan_rlimits(const oci::Process& process) {
  std::vector<userns::Rlimit> limits;
  for (const oci::PosixRlimit& limit : process.rlimits) {
    const auto* word = std::ranges::find(limit_words, limit.type, &LimitWord::name);
    if (word == std::end(limit_words)) throw InvalidInput(fmt::format("wrong rlimit value: {}", limit.type));
    if (limit.soft > limit.hard)
      throw InvalidInput(fmt::format("{}: the soft limit is above the hard one", limit.type));
    limits.push_back({word->resource, limit.soft, limit.hard});
  }
  return limits;
}

/// Names of capabilities as bits. What is unknown or cannot be granted is a warning, by the specification.
class CapabilityReader {
 public:
  CapabilityReader(std::uint64_t available, std::vector<std::string>& warnings)
      : available_(available), warnings_(warnings) {}

  std::uint64_t read(const std::vector<std::string>& names) {
    std::uint64_t set = 0;
    for (const std::string& name : names) {
      std::uint64_t bit = 0;
      try {
        bit = profiles::capability_bit(name);
      } catch (const UsageError&) {
      }
      if ((bit & available_) == 0) {
        complain(name);
      } else {
        set |= bit;
      }
    }
    return set;
  }

 private:
  void complain(const std::string& name) {
    if (!missed_.insert(name).second) return;
    warnings_.push_back(fmt::format("capability {} can't be granted here, and is left out", name));
  }

  std::uint64_t available_;
  std::set<std::string> missed_;
  std::vector<std::string>& warnings_;
};

void plan_capabilities(const oci::Process& process, std::uint64_t available, userns::ProcessPlan& plan,
                       std::vector<std::string>& warnings) {
  const oci::ProcessCapabilities asked = process.capabilities.value_or(oci::ProcessCapabilities{});
  CapabilityReader reader(available, warnings);
  plan.capabilities = reader.read(asked.bounding);
  userns::CapabilitySets& sets = plan.capability_sets.emplace();
  sets.permitted = reader.read(asked.permitted);
  // The kernel takes no set whose parts contradict each other (capabilities(7)): effective lies within permitted, and
  // ambient within permitted and inheritable.
  sets.effective = reader.read(asked.effective) & sets.permitted;
  sets.inheritable = reader.read(asked.inheritable) & (plan.capabilities | sets.permitted);
  sets.ambient = reader.read(asked.ambient) & sets.permitted & sets.inheritable;
}

void plan_user(const oci::User& user, const LaunchPlan& launch, const Caller& caller, const PlanOptions& options,
               userns::ProcessPlan& plan) {
  plan.uid = user.uid;
  plan.gid = user.gid;
  plan.umask = user.umask.value_or(022);
  // Podman names the process's own group again, which it is in without setgroups(2).
  const auto is_own = [&](std::uint32_t gid) { return gid == user.gid; };
  if (options.keeps_groups) {
    plan.groups.reset();
  } else if (may_set_groups(launch, caller)) {
    plan.groups = user.additional_gids;
  } else if (!std::ranges::all_of(user.additional_gids, is_own)) {
    throw InvalidInput("cannot set any additional groups in a rootless container");
  }
  if (!launch.namespaces.user) return;
  const auto check = [](const std::vector<IdMapping>& map, std::uint32_t id, const char* what) {
    if (!is_mapped(map, id)) {
      throw InvalidInput(fmt::format("{} {} of the process is not mapped in its user namespace", what, id));
    }
  };
  check(launch.identity.uid_map, user.uid, "user");
  check(launch.identity.gid_map, user.gid, "group");
  for (const std::uint32_t gid : user.additional_gids) check(launch.identity.gid_map, gid, "additional group");
}

/// Of several values of one variable the last one counts, though getenv(3) would find the first.
std::vector<std::string> without_repetitions(const std::vector<std::string>& entries) {
  std::vector<std::string> kept;
  std::unordered_map<std::string_view, std::size_t> places;
  for (const std::string& entry : entries) {
    const std::string_view name = std::string_view(entry).substr(0, entry.find('='));
    const auto [known, is_new] = places.try_emplace(name, kept.size());
    if (is_new) {
      kept.push_back(entry);
    } else {
      kept[known->second] = entry;
    }
  }
  return kept;
}

/// A label that can't be applied is an error, since it was asked for as a protection.
void plan_labels(const oci::Process& process, const Caller& caller, userns::ProcessPlan& plan) {
  // Everything is unconfined where there is no AppArmor.
  const bool confined =
      !process.apparmor_profile.empty() && (caller.apparmor || process.apparmor_profile != "unconfined");
  if (confined && !caller.apparmor) {
    throw Unsupported(fmt::format("process.apparmorProfile '{}' can't be applied: AppArmor is not on here",
                                  process.apparmor_profile));
  }
  if (!process.selinux_label.empty() && !caller.selinux) {
    throw Unsupported(
        fmt::format("process.selinuxLabel '{}' can't be applied: SELinux is not on here", process.selinux_label));
  }
  if (confined) plan.apparmor_profile = process.apparmor_profile;
  plan.selinux_label = process.selinux_label;
}

// --- the rest ------------------------------------------------------------------------------------

constexpr std::string_view domain_name = "kernel.domainname";

bool belongs_to(std::string_view name, NamespaceKind kind) {
  return kind == NamespaceKind::uts ? name == domain_name : userns::is_sysctl_of(name, kind);
}

std::vector<userns::Sysctl> plan_sysctls(const oci::RuntimeSpec& spec, const NamespacePlan& namespaces) {
  std::vector<userns::Sysctl> sysctls;
  for (const auto& [name, value] : spec.linux_part.sysctl) {
    std::string dotted = name;
    if (const auto first = name.find_first_of("./"); first != std::string::npos && name[first] == '/') {
      std::ranges::replace(dotted, '/', '.');
    }
    if (dotted.find("..") != std::string::npos || dotted.starts_with('.')) {
      throw InvalidInput(fmt::format("sysctl \"{}\" is not a name of the kernel's", name));
    }
    bool known = false;
    for (const NamespaceKind kind : {NamespaceKind::ipc, NamespaceKind::network, NamespaceKind::uts}) {
      if (!belongs_to(dotted, kind)) continue;
      known = true;
      const auto* word = std::ranges::find(namespace_words, kind, &NamespaceWord::kind);
      if (!has_own(namespaces, kind)) {
        throw InvalidInput(fmt::format("sysctl \"{}\" is not allowed in the host's {} namespace", name, word->type));
      }
    }
    if (!known) throw InvalidInput(fmt::format("sysctl \"{}\" is not in a separate kernel namespace", name));
    if (dotted == domain_name) continue;  // plan_names: no user namespace's root may write it in /proc
    sysctls.push_back({name, value});
  }
  return sysctls;
}

void plan_names(const oci::RuntimeSpec& spec, LaunchPlan& launch) {
  const bool own = has_own(launch.namespaces, NamespaceKind::uts);
  if (!spec.hostname.empty() && !own) throw InvalidInput("unable to set hostname without a private UTS namespace");
  if (!spec.domainname.empty() && !own) throw InvalidInput("unable to set domainname without a private UTS namespace");
  launch.hostname = spec.hostname;
  launch.domainname = spec.domainname;
  for (const char* key : {"kernel.domainname", "kernel/domainname"}) {
    const auto found = spec.linux_part.sysctl.find(key);
    if (found == spec.linux_part.sysctl.end()) continue;
    if (!launch.domainname.empty() && launch.domainname != found->second) {
      throw InvalidInput(
          fmt::format("domainname \"{}\" and sysctl \"{}\" contradict each other", launch.domainname, key));
    }
    launch.domainname = found->second;
  }
}

std::string plan_mount_label(const oci::Linux& part, const Caller& caller) {
  if (part.mount_label.empty() || caller.selinux) return part.mount_label;
  throw Unsupported(fmt::format("linux.mountLabel '{}' can't be applied: SELinux is not on here", part.mount_label));
}

/// Names as the kernel has them (dev_valid_name in net/core/dev.c); one in the container may be a template, "eth%d".
void check_device_name(const std::string& name, const char* what) {
  constexpr std::size_t longest = 15;  // IFNAMSIZ, with a NUL
  const auto wrong = [](unsigned char c) { return c == '/' || c == ':' || std::isspace(c) != 0; };
  if (name.empty() || name.size() > longest || name == "." || name == ".." || std::ranges::any_of(name, wrong)) {
    throw InvalidInput(fmt::format("linux.netDevices: '{}' is not a name {}", name, what));
  }
}

std::vector<NetworkDevice> plan_network_devices(const oci::Linux& part, const NamespacePlan& namespaces) {
  std::vector<NetworkDevice> devices;
  if (!part.net_devices) return devices;
  for (const auto& [name, value] : oci::Value(*part.net_devices, "config.json", "linux.netDevices").members()) {
    devices.push_back({name, value.text("name", name)});
    check_device_name(devices.back().host_name, "of a network device");
    check_device_name(devices.back().name, "for a network device");
  }
  if (!devices.empty() && !has_own(namespaces, NamespaceKind::network)) {
    throw InvalidInput("unable to move network devices without a private network namespace");
  }
  return devices;
}

/// Private is what a root is without more words.
void plan_root_propagation(const std::string& word, userns::RootPlan& root) {
  if (word.empty()) return;
  const MountOptions options = parse_mount_options({word});
  if (options.propagation == 0) throw InvalidInput(fmt::format("rootfsPropagation '{}' does not exist", word));
  if (options.propagation == MS_PRIVATE) return;
  root.propagation = options.propagation;
  root.propagation_of_tree = options.propagation_of_tree;
}

/// "Cgroup ownership" of config-linux.md: the user that executes the process, as the host knows it, where the container
/// sees its cgroup alone and may write there. A caller who is no root owns it already, and could give it to nobody.
std::optional<std::uint32_t> plan_cgroup_owner(const LaunchPlan& launch, const Caller& caller) {
  const auto is_writable = [](const userns::MountOp& op) {
    return op.kind == userns::MountKind::cgroup2 && ((op.own.set | op.tree.set) & MOUNT_ATTR_RDONLY) == 0;
  };
  if (caller.uid != 0 || !launch.namespaces.cgroup || joins(launch.namespaces, NamespaceKind::user))
    return std::nullopt;
  if (std::ranges::none_of(launch.mounts, is_writable)) return std::nullopt;
  const std::uint32_t inside = launch.process.uid;
  if (!launch.namespaces.user) return inside;
  const auto& map = launch.identity.uid_map;
  const auto line =
      std::ranges::find_if(map, [&](const auto& l) { return inside >= l.inside && inside - l.inside < l.count; });
  return line->outside + (inside - line->inside);  // plan_user() has refused one that is not mapped
}

}  // namespace

userns::ProcessPlan plan_process(const oci::Process& process, const LaunchPlan& launch, const Caller& caller,
                                 const PlanOptions& options, std::vector<std::string>& warnings) {
  if (process.args.empty()) throw InvalidInput("args must not be empty");
  userns::ProcessPlan plan;
  plan.argv = process.args;
  plan.env = without_repetitions(process.env);
  if (options.listen_fds) plan.env.push_back(fmt::format("LISTEN_FDS={}", options.preserved_fds));
  if (options.listen_fds) plan.env.emplace_back("LISTEN_PID=1");
  plan.finds_home = true;
  plan.cwd = process.cwd;
  plan_user(process.user, launch, caller, options, plan);
  const bool own_rights = has_own(launch.namespaces, NamespaceKind::user);
  plan_capabilities(process, own_rights ? profiles::all_capabilities() : caller.capabilities, plan, warnings);
  plan.no_new_privs = process.no_new_privileges;
  plan.rlimits = plan_rlimits(process);
  plan_labels(process, caller, plan);
  plan.oom_score_adj = process.oom_score_adj;
  plan.terminal = process.terminal;
  if (process.terminal && process.console_size) {
    plan.console_size = {process.console_size->height, process.console_size->width};
  }
  plan.new_keyring = !options.no_new_keyring;
  plan.detached = true;
  return plan;
}

bool keeps_groups(const std::map<std::string, std::string>& annotations) {
  const auto found = annotations.find("run.oci.keep_original_groups");
  return found != annotations.end() && (found->second == "1" || found->second == "true");
}

std::vector<std::string> namespace_types() {
  std::vector<std::string> types{"mount"};
  for (const NamespaceWord& word : namespace_words) types.emplace_back(word.type);
  std::ranges::sort(types);
  return types;
}

LaunchPlan plan_namespaces_and_ids(const oci::RuntimeSpec& spec, const Caller& caller) {
  LaunchPlan launch;
  launch.namespaces = plan_namespaces(spec, caller);
  if (launch.namespaces.user) launch.identity = plan_identity(spec.linux_part, caller);
  return launch;
}

Plan plan_container(const oci::RuntimeSpec& spec, const std::string& bundle, const Caller& caller,
                    const PlanOptions& options) {
  Plan plan{.launch = plan_namespaces_and_ids(spec, caller)};
  LaunchPlan& launch = plan.launch;
  launch.namespaces.clock_offsets = plan_clock_offsets(spec.linux_part, launch.namespaces);
  launch.root.directory = spec.root.path.starts_with('/') ? spec.root.path : bundle + "/" + spec.root.path;
  launch.root.read_only = spec.root.read_only;
  launch.root.no_suid = false;
  launch.root.no_pivot = options.no_pivot;
  plan_root_propagation(spec.linux_part.rootfs_propagation, launch.root);
  plan_mounts(spec, bundle, caller, plan);
  launch.masked_paths = spec.linux_part.masked_paths;
  launch.read_only_paths = spec.linux_part.readonly_paths;
  launch.sysctls = plan_sysctls(spec, launch.namespaces);
  plan_names(spec, launch);
  launch.mount_label = plan_mount_label(spec.linux_part, caller);
  plan.rdt = plan_intel_rdt(spec.linux_part);
  plan.network_devices = plan_network_devices(spec.linux_part, launch.namespaces);
  if (!spec.process) throw InvalidInput("process property must not be empty");
  launch.process = plan_process(*spec.process, launch, caller, options, plan.warnings);
  launch.process.attributes = plan_attributes(*spec.process, spec.linux_part);
  (void)plan_exec_cpus(*spec.process);  // is for those who join later, and must be right now
  plan.cgroup.devices = plan_device_guard(spec.linux_part.resources.value_or(Json()), "config.json", launch, caller);
  plan.cgroup.owner = plan_cgroup_owner(launch, caller);
  launch.root.no_dev = !plan.cgroup.devices.open;
  return plan;
}

}  // namespace sandbox::runtime
