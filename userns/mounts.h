// Mounts and masks inside the root, each resolved below it. Zone B, before pivot_root.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "userns/joined_namespaces.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

std::string parent_of(const std::string& path);
std::string name_of(const std::string& path);
/// Attaches a detached mount on the object behind `target`; `path` is for messages.
void attach(int mount, int target, const std::string& path);
/// Opens `path` (O_PATH) below `root`: symbolic links stay inside, magic links are refused.
Fd open_in_root(int root, const std::string& path, int flags);
/// mkdir -p below `root`, also of what symbolic links name that lead nowhere; returns the directory (O_PATH).
Fd make_directory_in_root(int root, const std::string& path);

/// Copies of what is to be bound and goes on to hear of mounts on the host, one for each of `mounts`; none for the
/// others, and for what has other ids. Precondition: the mounts of this namespace are as they were inherited.
std::vector<Fd> clone_propagating(const std::vector<MountOp>& mounts);
/// The same of everything that is to be bound.
std::vector<Fd> clone_sources(const std::vector<MountOp>& mounts);
/// Copies in the same form that only the launching process can make: of what is to be bound with other ids, which are its
/// to give, of what is in mount namespaces of others, and of what the container's root, in another user namespace, may be
/// unable to reach; none of the last where the process is not privileged itself.
std::vector<Fd> clone_beforehand(const LaunchPlan& plan, const std::vector<OpenedNamespace>& joined);
/// The plan's mounts in their order, and what belongs into /dev. The last two: copies that have been made. Returns those
/// that are to be closed to writers when everything has been put into them.
[[nodiscard]] std::vector<Fd> apply_mounts(int root, const LaunchPlan& plan, const std::vector<Fd>& made,
                                           const std::vector<Fd>& beforehand);
void close_to_writers(const std::vector<Fd>& mounts);
void mask_paths(int root, const std::vector<std::string>& paths);
void make_paths_read_only(int root, const std::vector<std::string>& paths);

}  // namespace sandbox::userns
