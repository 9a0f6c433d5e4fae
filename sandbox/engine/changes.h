// What a container has changed of its image. Runs in the client.
#pragma once

#include <vector>

#include "fuse-overlay/store/changes.h"
#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"

namespace sandbox::engine {

/// Without what is there for mounts alone: their targets, and directories that hold no other change.
std::vector<overlay::Change> without_mount_points(std::vector<overlay::Change> changes,
                                                  const std::vector<userns::MountOp>& mounts);

/// Sorted by path. Throws Unsupported for a container that writes to a directory of the host.
std::vector<overlay::Change> changes_of(const Places& places, const container::Container& container);

}  // namespace sandbox::engine
