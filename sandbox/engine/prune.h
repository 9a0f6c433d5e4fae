// Removing what nobody uses. Runs in the client.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

struct PrunedContainers {
  std::vector<std::string> ids;
  std::uint64_t bytes = 0;
};

/// Removes all containers that don't run. One that is started meanwhile stays.
PrunedContainers prune_containers(const Places& places);

/// See image::ImageStore::prune.
image::Pruned prune_images(const Places& places, bool all);

}  // namespace sandbox::engine
