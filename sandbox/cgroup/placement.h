// Where a container's cgroup can be made: the ladder's rungs as a decision over what was found. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/cgroup/limits.h"

namespace sandbox::cgroup {

/// unified: all controllers in cgroup v2. hybrid: cgroup v2 beside controllers in v1. legacy: v1 only.
enum class Layout { none, legacy, hybrid, unified };

struct CgroupMount {
  std::string root, point;  ///< The cgroup that is mounted, and where.
};

/// What this process finds around itself; filled by survey().
struct Surroundings {
  Layout layout = Layout::none;
  std::optional<CgroupMount> mount;              ///< Of cgroup v2.
  std::string directory;                         ///< Where children may be made, if writable; empty: not visible.
  bool writable = false;                         ///< A delegated subtree (cgroups(7), "Cgroups delegation").
  std::vector<std::string> controllers;          ///< That children of `directory` may have.
  std::uint32_t uid = 0;                         ///< Ours, on the host.
  std::string batch_job;                         ///< The batch scheduler's job that we are in.
  std::string manager_bus;                       ///< Socket of the user's systemd; empty: there is none.
  std::vector<std::string> manager_controllers;  ///< Delegated to the user's systemd.
};

enum class Rung { none, delegated, scope };

struct Choice {
  Rung rung = Rung::none;
  std::vector<Setting> missing;  ///< What was asked for and can't be had on this rung.
  std::string reason, hint;      ///< Of the missing ones, or of rung none.
};

/// Whether a container has to have a cgroup of its own even without limits.
enum class Own { welcome, needed };

/// The best rung for `settings`. Without any, and where none is needed, only a delegated subtree is used, as it costs
/// nothing.
Choice choose(const Surroundings& surroundings, const std::vector<Setting>& settings, Own own = Own::welcome);

/// The path behind "0::" of proc_pid_cgroup(5); none: no cgroup v2.
std::optional<std::string> unified_path(std::string_view proc_cgroup);
/// What follows the first component `name` of a cgroup's path: "" or "/init.scope"; none: it has no such component.
/// What follows may have any names: those who are in there choose them.
std::optional<std::string> path_below(std::string_view path, std::string_view name);
/// From proc_pid_cgroup(5): whether any controller belongs to a v1 hierarchy.
bool has_legacy_controllers(std::string_view proc_cgroup);

/// The first cgroup2 mount of proc_pid_mountinfo(5).
std::optional<CgroupMount> find_cgroup2(std::string_view mountinfo);
/// The directory of the cgroup `path`; empty when the mount does not show it.
std::string directory_of(const CgroupMount& mount, std::string_view path);

/// The lowest directory that is, or is above, both.
std::string common_ancestor(const std::string& one, const std::string& other);

/// Leaf for processes that are in the way: a cgroup with children that have limits holds none itself.
inline constexpr std::string_view kLeaf = "sandbox-supervisor";
/// The directory to make children in: the parent, when we have moved into the leaf before.
std::string base_of(const std::string& directory);

/// What `inside` is in the parent user namespace, by a text of user_namespaces(7), "/proc/PID/uid_map".
std::optional<std::uint32_t> outside_id(std::string_view uid_map, std::uint32_t inside);

std::vector<std::string> split_words(std::string_view text);

}  // namespace sandbox::cgroup
