// The whole decision about an isolated process, as plain data. Made from a container's configuration (of ours, or of
// the OCI runtime specification), executed by launch.h, shown by `--print-plan`. Nothing here touches the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sandbox::userns {

/// One line of /proc/PID/uid_map (user_namespaces(7)).
struct IdMapping {
  std::uint32_t inside = 0;
  std::uint32_t outside = 0;
  std::uint32_t count = 0;

  bool operator==(const IdMapping&) const = default;
};

/// What happens to owners and ids that the map doesn't have. record: who launches has calls that change them answered
/// (sandbox/ownership), as if all ids were there. full: also those that show owners.
enum class IdEmulation { off, record, full };

/// How the ids of the container's new user namespace come to be.
struct IdentityPlan {
  /// The launching process is root of its own user namespace, to which `outside` belongs (as in the user's kept
  /// namespace, kept_namespace.h): maps of any kind are written directly.
  bool nested = false;
  /// Not nested: written by us when they hold one line that maps our own id; otherwise by newuidmap(1) and
  /// newgidmap(1) of the distribution.
  std::vector<IdMapping> uid_map, gid_map;
  IdEmulation emulation = IdEmulation::off;
};

enum class NamespaceKind { user, pid, network, ipc, uts, cgroup, mount, time };

/// A namespace that exists: the file that stands for it (/proc/PID/ns/…, or a bind mount of it).
struct JoinedNamespace {
  NamespaceKind kind = NamespaceKind::network;
  std::string path;
};

/// What a clock of a time namespace shows more than the host's (time_namespaces(7)).
struct ClockOffset {
  std::string clock;  ///< "monotonic" or "boottime"
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;  ///< Below 10^9.
};

/// Namespaces made new for the container (clone(2)). A mount namespace is always new. One that is neither new nor
/// joined is the launching process's own.
struct NamespacePlan {
  bool user = true;  ///< Without: the launching process has CAP_SYS_ADMIN in its own.
  bool pid = true, network = true, ipc = true, uts = true, cgroup = true;
  bool time = false;
  std::vector<ClockOffset> clock_offsets;  ///< Of a new time namespace.
  std::vector<JoinedNamespace> joined;
};

/// Who merges the layers: kernel overlayfs (userxattr, Linux 5.11), our FUSE server, or the first that works.
enum class RootDriver { automatic, overlay, fuse };

/// The root file system: a merge of layers, or a directory as it is.
struct RootPlan {
  std::vector<std::string> lower;  ///< Layer directories, top-most first. Empty: `directory` is the root.
  std::string upper, work;         ///< Writable layer; empty with `lower` set: read-only merge.
  std::string directory;           ///< A root directory used as it is (--rootfs PATH).
  bool read_only = false;
  bool no_suid = true;             ///< Set-user-ID bits and file capabilities in it mean nothing.
  bool no_pivot = false;           ///< Moved over the host's tree, where that is a ramfs, which pivot_root(2) refuses.
  bool no_dev = true;              ///< Device nodes in it mean nothing.
  RootDriver driver = RootDriver::automatic;  ///< Of a merge.
  std::uint64_t most_bytes = 0, most_objects = 0;  ///< In the upper directory, with our server; 0: no limit.
  bool lower_may_change = false;              ///< Others write to the lower directories (a host's own tree).
  std::uint64_t propagation = 0;    ///< Of a `directory`: MS_SHARED, MS_SLAVE or MS_UNBINDABLE; 0: private.
  bool propagation_of_tree = false; ///< … of the mounts below it, too.
  /// Nothing written to `upper` has to survive this container: nothing is ever flushed to the disk, at the end either.
  bool upper_is_volatile = false;
};

/// other: any that the kernel knows. remount: no new one, but other attributes for what is mounted at the target.
/// merge: of directories, by overlayfs of the kernel.
enum class MountKind { bind, tmpfs, proc, sysfs, devpts, mqueue, cgroup2, other, remount, merge };

/// MOUNT_ATTR_* that change on a mount (mount_setattr(2)).
struct MountAttributes {
  std::uint64_t set = 0, clear = 0;
};

/// Other ids on a mount than its file system has: `inside` is the file system's, `outside` what the mount shows, as the
/// process has it that makes the mount: the launching one for a bind, else the container's own.
struct MountIds {
  std::vector<IdMapping> uid_map, gid_map;
  bool of_tree = false;  ///< On the mounts below it, too.
};

/// One mount in the container, made in list order. `target` is absolute inside the root, resolved
/// below it with RESOLVE_IN_ROOT, and created when absent (a file for a bind of a file).
struct MountOp {
  MountKind kind = MountKind::bind;
  std::string type;     ///< other: the kernel's name of the file system.
  std::string source;   ///< bind: a path on the host. other: what the file system calls its source. merge: a path in it
                        ///< whose links lead nowhere else; empty: all of it.
  std::string below;    ///< bind: a directory that `source` is relative to; no link is followed from there,
  bool follows = false; ///< or links are, as if that were the root.
  /// bind: the file of the mount namespace that `source` is looked up in, by a member of the joined user namespace.
  /// Empty: the launching process's. Found at each start, and not kept.
  std::string mounts_of;
  std::string target;
  std::string data;     ///< tmpfs: "size=65536k,mode=1777" as mount(8) options.
  bool read_only = false, no_suid = true, no_dev = true, no_exec = false;
  bool recursive = true;  ///< bind: with the mounts below it (rbind), which the four words above reach, too.
  MountAttributes own;    ///< Further attributes of the mount itself.
  MountAttributes tree;   ///< Of it and of every mount below it.
  std::uint64_t propagation = 0;    ///< MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE; 0: private.
  bool propagation_of_tree = false; ///< … of the mounts below it, too.
  std::optional<MountIds> ids;
  bool copy_up = false;             ///< tmpfs: begins with what lies at the target.
  std::vector<std::string> lower;   ///< merge: directories, top-most first.
  std::string upper, work;          ///< merge: what is written goes there; empty: nothing can be.
};

enum class DeviceKind { character, block, fifo };

/// A device of the host that appears in the container: made by mknod(2) where that is allowed, otherwise a bind mount
/// of the host's own node of that number.
struct DevicePlan {
  std::string path;  ///< Absolute inside the root.
  DeviceKind kind = DeviceKind::character;
  std::uint32_t major = 0, minor = 0;
  std::uint32_t mode = 0666;
  std::uint32_t uid = 0, gid = 0;
};

/// A kernel parameter of one of the container's own namespaces: "net.ipv4.ip_forward".
struct Sysctl {
  std::string name, value;
};

/// Resource limit of setrlimit(2); RLIM_INFINITY is UINT64_MAX.
struct Rlimit {
  int resource = 0;
  std::uint64_t soft = 0, hard = 0;
};

/// A network interface inside the container.
struct NetworkInterface {
  std::string name = "eth0";
  std::string address = "10.0.2.100";
  int prefix = 24;
  std::string gateway = "10.0.2.2";  ///< Empty: no default route.
  int mtu = 65520;
  std::string hardware_address;  ///< "02:42:ac:11:00:02"; empty: the kernel's choice.
};

/// Bit n: capability n (capabilities(7)).
struct CapabilitySets {
  std::uint64_t permitted = 0, effective = 0, inheritable = 0, ambient = 0;
};

struct ConsoleSize {
  std::uint16_t rows = 0, columns = 0;
};

/// sched_setattr(2), with its names and units.
struct SchedulerPlan {
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;  ///< Nanoseconds.
};

/// set_mempolicy(2): `mode` with its flags.
struct MemoryPolicy {
  std::uint32_t mode = 0;
  std::vector<std::uint32_t> nodes;
};

/// How the kernel treats the process and what it starts. What is not named stays the caller's.
struct TaskAttributes {
  std::optional<SchedulerPlan> scheduler;
  std::optional<std::uint32_t> io_priority;  ///< ioprio_set(2): class << 13 | level.
  std::optional<std::uint32_t> personality;  ///< personality(2).
  std::optional<MemoryPolicy> memory_policy;
  std::vector<std::uint32_t> cpus;  ///< sched_setaffinity(2), each below CPU_SETSIZE. Empty: the caller's.
};

/// Ids that have no mapping.
struct EmulatedIds {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;
};

struct ProcessPlan {
  std::vector<std::string> argv;  ///< argv[0] is looked up in PATH of `env`, inside the root.
  std::vector<std::string> env;   ///< "NAME=value"
  bool finds_home = false;        ///< An absent or empty HOME is looked up in the container's /etc/passwd; "/" otherwise.
  std::string cwd = "/";          ///< Created with a container when absent, like Docker's WORKDIR.
  std::uint32_t uid = 0, gid = 0;
  /// Supplementary groups. None: the caller's stay, since one mapped id leaves setgroups(2) denied.
  std::optional<std::vector<std::uint32_t>> groups;
  /// Who it believes to be, where it is not `uid` and `gid` (IdEmulation).
  std::optional<EmulatedIds> emulated;
  std::uint32_t umask = 022;
  std::uint64_t capabilities = 0;  ///< The bounding set.
  /// The other sets. None: root has all of the bounding set permitted and effective, others have nothing.
  std::optional<CapabilitySets> capability_sets;
  bool no_new_privs = true;
  std::vector<std::byte> seccomp;  ///< struct sock_filter[] bytes; empty: unconfined.
  std::uint32_t seccomp_flags = 0;  ///< SECCOMP_FILTER_FLAG_*
  /// Another one, loaded before it, whose listener (seccomp_unotify(2)) goes to who starts the process; empty: none.
  /// Of both filters' answers to a call the kernel takes the stricter one.
  std::vector<std::byte> notifying;
  std::vector<Rlimit> rlimits;
  std::optional<TaskAttributes> attributes;
  std::string apparmor_profile, selinux_label;  ///< From execve(2) on; empty: none is asked for.
  std::optional<std::int32_t> oom_score_adj;  ///< proc_pid_oom_score_adj(5); none: the caller's stays.
  bool terminal = false;           ///< A pseudo-terminal of the container's own devpts.
  std::optional<ConsoleSize> console_size;
  bool init = false;               ///< Our tiny init as pid 1, which reaps and forwards signals.
  bool new_keyring = true;         ///< A session keyring of its own.
  bool detached = false;           ///< Goes on when the launching process ends (Launched::detach).
};

struct LaunchPlan {
  IdentityPlan identity;
  NamespacePlan namespaces;
  RootPlan root;
  std::vector<MountOp> mounts;
  bool populate_dev = true;  ///< The harmless devices and the usual links are put into /dev.
  std::vector<DevicePlan> devices;
  std::vector<std::string> masked_paths, read_only_paths;
  std::vector<Sysctl> sysctls;
  std::string hostname, domainname;
  std::string mount_label;  ///< SELinux context of what is in new file systems; empty: the kernel's choice.
  std::optional<NetworkInterface> network;   ///< Of a private network.
  std::vector<NetworkInterface> interfaces;  ///< Of networks with others: found at each start, and not kept.
  ProcessPlan process;
};

}  // namespace sandbox::userns
