// --storage-driver, --storage-opt: who merges the image's layers, and how much a container's own layer may hold.
#pragma once

#include "sandbox/engine/requests.h"
#include "userns/launch_plan.h"

namespace sandbox::engine {

struct Storage {
  userns::RootDriver driver = userns::RootDriver::automatic;
  std::uint64_t most_bytes = 0, most_objects = 0;  ///< 0: no limit.
};

/// A limit decides for our FUSE server, where nothing else is asked for. Throws UsageError, or Unsupported for a limit
/// that nobody would keep.
Storage parse_storage(const RunRequest& request);

}  // namespace sandbox::engine
