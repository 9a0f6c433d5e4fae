// The option words of a mount (runtime-spec config.md, "Linux mount options") as attributes of the kernel. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::runtime {

struct MountOptions {
  bool bind = false, recursive = false, remount = false;
  userns::MountAttributes own, tree;
  std::uint64_t propagation = 0;  ///< MS_SHARED and the like; 0: nothing was said.
  bool propagation_of_tree = false;
  bool copy_up = false;
  bool id_mapped = false, id_mapped_tree = false;
  std::string data;  ///< What only the file system understands, with commas between.
};

/// A later word wins over an earlier one.
MountOptions parse_mount_options(const std::vector<std::string>& words);

/// The words that mean something here, for `features`.
std::vector<std::string> known_mount_options();

}  // namespace sandbox::runtime
