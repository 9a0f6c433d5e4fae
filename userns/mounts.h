// Mounts, devices and masks inside the root, each resolved below it. Zone B, before pivot_root.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Opens `path` (O_PATH) below `root`: symbolic links stay inside, magic links are refused.
Fd open_in_root(int root, const std::string& path, int flags);
/// mkdir -p below `root`; returns the directory (O_PATH).
Fd make_directory_in_root(int root, const std::string& path);

void apply_mount(int root, const MountOp& op);
/// Binds the host's harmless devices and makes the standard links in the container's /dev.
void populate_dev(int root);
void mask_paths(int root, const std::vector<std::string>& paths);
void make_paths_read_only(int root, const std::vector<std::string>& paths);
/// Binds the terminal `slave` on /dev/console.
void bind_console(int root, int slave);

}  // namespace sandbox::userns
