// The whole decision about an isolated process, as plain data. Made by the runtime room from a
// container's configuration, executed by launch.h, shown by `--print-plan`. Nothing here touches
// the kernel.
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
};

/// How the container's user ids come to be.
struct IdentityPlan {
  /// Nested in the user's kept namespace, which the launching process has entered (kept_namespace.h): `outside` counts
  /// in that namespace, and maps of any kind are written directly.
  bool nested = false;
  /// Not nested: written by us when they hold one line that maps our own id; otherwise by newuidmap(1) and
  /// newgidmap(1) of the distribution.
  std::vector<IdMapping> uid_map, gid_map;
};

/// Namespaces made new for the container (clone(2)). A user and a mount namespace are always new.
struct NamespacePlan {
  bool pid = true, network = true, ipc = true, uts = true, cgroup = true;
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
  RootDriver driver = RootDriver::automatic;  ///< Of a merge.
  bool lower_may_change = false;              ///< Others write to the lower directories (a host's own tree).
};

enum class MountKind { bind, tmpfs, proc, sysfs, devpts, mqueue, cgroup2 };

/// One mount in the container, made in list order. `target` is absolute inside the root, resolved
/// below it with RESOLVE_IN_ROOT, and created when absent (a file for a bind of a file).
struct MountOp {
  MountKind kind = MountKind::bind;
  std::string source;   ///< bind: a path on the host.
  std::string target;
  std::string data;     ///< tmpfs: "size=65536k,mode=1777" as mount(8) options.
  bool read_only = false, no_suid = true, no_dev = true, no_exec = false;
  bool recursive = true;  ///< bind: with the mounts below it (rbind).
};

/// Resource limit of setrlimit(2); RLIM_INFINITY is UINT64_MAX.
struct Rlimit {
  int resource = 0;
  std::uint64_t soft = 0, hard = 0;
};

/// The private network interface inside the container. No value in LaunchPlan: loopback only.
struct NetworkInterface {
  std::string name = "eth0";
  std::string address = "10.0.2.100";
  int prefix = 24;
  std::string gateway = "10.0.2.2";
  int mtu = 65520;
};

struct ProcessPlan {
  std::vector<std::string> argv;  ///< argv[0] is looked up in PATH of `env`, inside the root.
  std::vector<std::string> env;   ///< "NAME=value"
  std::string cwd = "/";          ///< Created when absent, like Docker's WORKDIR.
  std::uint32_t uid = 0, gid = 0;
  /// Supplementary groups. None: the caller's stay, since one mapped id leaves setgroups(2) denied.
  std::optional<std::vector<std::uint32_t>> groups;
  std::uint64_t capabilities = 0;  ///< Bit n: capability n (capabilities(7)). Inheritable stays empty.
  bool no_new_privs = true;
  std::vector<std::byte> seccomp;  ///< struct sock_filter[] bytes; empty: unconfined.
  std::vector<Rlimit> rlimits;
  bool terminal = false;           ///< A pseudo-terminal of the container's own devpts.
  bool init = false;               ///< Our tiny init as pid 1, which reaps and forwards signals.
};

struct LaunchPlan {
  IdentityPlan identity;
  NamespacePlan namespaces;
  RootPlan root;
  std::vector<MountOp> mounts;
  std::vector<std::string> masked_paths, read_only_paths;
  std::string hostname;
  std::optional<NetworkInterface> network;
  ProcessPlan process;
};

}  // namespace sandbox::userns
