// The cgroup of one container. Held by its supervisor, which is in another cgroup.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/cgroup/directory.h"
#include "sandbox/cgroup/limits.h"
#include "sandbox/cgroup/placement.h"

namespace sandbox::cgroup {

/// Kills what is in the cgroup and removes it, at its destruction too.
class ContainerCgroup {
 public:
  /// Makes `path`, which must not exist, below a delegated directory and applies the settings. Throws SysError.
  ContainerCgroup(const std::string& path, const std::vector<Setting>& settings);
  ContainerCgroup(ContainerCgroup&&) noexcept = default;
  ContainerCgroup& operator=(ContainerCgroup&&) = delete;
  ~ContainerCgroup();

  const std::string& path() const { return directory_.path(); }
  int fd() const { return directory_.fd(); }
  void kill() { directory_.kill(); }
  void freeze(bool on) { directory_.freeze(on); }
  std::uint64_t oom_kills() const;  ///< Processes that its own memory limit had killed.

 private:
  Directory directory_;
};

/// Name of the container's cgroup in its parent.
std::string cgroup_name(std::string_view id);

/// Kills and removes the cgroup that a dead supervisor of container `id` recorded as `path`. Nothing happens when it is
/// gone, or when the path is not that of a container's cgroup.
void remove_stale(const std::string& path, std::string_view id);

/// Lets children of `base` have the controllers. The processes of `base` itself go into a leaf of it.
void enable_controllers(const std::string& base, const std::vector<std::string>& controllers);
/// The same where `base` holds no process, or is the root: nothing moves.
Result<void> offer_controllers(const std::string& base, const std::vector<std::string>& controllers);

struct Established {
  std::optional<ContainerCgroup> cgroup;  ///< None: nothing is delegated, and nothing was asked for.
  std::vector<std::string> warnings;      ///< Limits that are not applied.
};
/// Climbs the ladder for a container: may ask systemd for a scope and move this process into it. `record` gets the path
/// before it exists. Throws Unsupported, or with `best_effort` warns, when a limit can't be applied. One that is needed
/// is made to be divided by those in it: it has all controllers that can be had; without one Unsupported is thrown.
Established establish(std::string_view id, const Limits& limits, bool best_effort, Own own,
                      const std::function<void(const std::string&)>& record);

}  // namespace sandbox::cgroup
