// What a container has mounted by its user's wish, as `ps` and `inspect` tell it. Pure.
#pragma once

#include <string>
#include <vector>

#include "sandbox/container/container_store.h"

namespace sandbox::cli {

struct MountPoint {
  std::string name;  ///< Of a volume; empty: a directory or file of the host.
  std::string source, destination;
  bool writable = true;
};

std::vector<MountPoint> mount_points(const container::Container& container);

}  // namespace sandbox::cli
