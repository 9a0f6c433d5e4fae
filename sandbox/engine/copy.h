// `cp`: files between a container and this machine. Runs in the client.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/copy_paths.h"

namespace sandbox::engine {

struct CopyRequest {
  CopyPlace from, to;        ///< One of them is in a container.
  bool archive = false;      ///< Into a container: owners as at the source, not root. A stream always has its own.
  bool follow_link = false;  ///< A symbolic link as the source stands for what it leads to.
};

/// Copies and returns the bytes of the archive that went between. `warn` is told what could not come along. Throws
/// Error in Docker's words. What was copied into a container is on the disk then.
std::uint64_t copy(const Places& places, const container::Container& container, const CopyRequest& request,
                   const std::function<void(const std::string&)>& warn);

}  // namespace sandbox::engine
