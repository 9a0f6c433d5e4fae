// The configuration of a container as the OCI runtime specification 1.3.0 has it (config.md, config-linux.md), for
// Linux. Types and reading only: what a value means for the kernel is decided in sandbox/runtime. Pure.
//
// Unknown members are ignored, as the specification asks; known ones have to be of their type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/json.h"
#include "sandbox/oci/document.h"

namespace sandbox::oci {

inline constexpr const char* kSpecVersion = "1.3.0";

struct User {
  std::uint32_t uid = 0, gid = 0;
  std::optional<std::uint32_t> umask;
  std::vector<std::uint32_t> additional_gids;
};

struct ProcessCapabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
};

struct PosixRlimit {
  std::string type;
  std::uint64_t soft = 0, hard = 0;
};

struct TerminalSize {
  std::uint16_t height = 0, width = 0;
};

struct Process {
  bool terminal = false;
  std::optional<TerminalSize> console_size;
  User user;
  std::vector<std::string> args, env;
  std::string cwd;
  std::optional<ProcessCapabilities> capabilities;
  std::vector<PosixRlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<std::int32_t> oom_score_adj;
  std::optional<Json> scheduler, io_priority, exec_cpu_affinity;
};

struct Root {
  std::string path;
  bool read_only = false;
};

struct IdMap {
  std::uint32_t container_id = 0, host_id = 0, size = 0;
};

struct Mount {
  std::string destination, type, source;
  std::vector<std::string> options;
  std::vector<IdMap> uid_mappings, gid_mappings;
};

struct Namespace {
  std::string type, path;
};

struct Device {
  std::string type, path;
  std::int64_t major = 0, minor = 0;
  std::optional<std::uint32_t> file_mode, uid, gid;
};

struct Hook {
  std::string path;
  std::vector<std::string> args;
  std::optional<std::vector<std::string>> env;  ///< None: the runtime's own.
  std::optional<std::int64_t> timeout;          ///< Seconds.
};

struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct Linux {
  std::vector<Namespace> namespaces;
  std::vector<IdMap> uid_mappings, gid_mappings;
  std::vector<Device> devices;
  std::string cgroups_path;
  std::optional<Json> resources, seccomp, personality, intel_rdt, memory_policy, net_devices, time_offsets;
  std::map<std::string, std::string> sysctl;
  std::vector<std::string> masked_paths, readonly_paths;
  std::string rootfs_propagation, mount_label;
};

struct RuntimeSpec {
  std::string version;
  std::optional<Process> process;
  Root root;
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  Hooks hooks;
  Linux linux_part;
  std::map<std::string, std::string> annotations;
};

/// Throws InvalidInput naming what is wrong, with `what` as the document's name.
RuntimeSpec parse_runtime_spec(Json document, std::string_view what);
/// A list of mounts alone, as `mounts add` has it.
std::vector<Mount> parse_mounts(const Value& list);
/// A process alone, as `exec --process FILE` has it.
Process parse_process(const Value& value);

}  // namespace sandbox::oci
