// Removing what nobody uses. Runs in the client.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

struct PrunedContainers {
  std::vector<std::string> ids;
  std::uint64_t bytes = 0;
};

/// Removes the containers that don't run and that `goes` is true for. One that is started meanwhile stays.
PrunedContainers prune_containers(const Places& places, const std::function<bool(const container::Entry&)>& goes);

/// See image::ImageStore::prune; of those only the images that `goes` is true for.
image::Pruned prune_images(const Places& places, bool all, const std::function<bool(const image::Image&)>& goes);

}  // namespace sandbox::engine
