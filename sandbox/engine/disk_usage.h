// What the store holds, for `system df` and `prune`. Runs in the client; files of containers are counted in a child
// that may read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/volume_store.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

struct ContainerUsage {
  container::Container container;
  std::uint64_t bytes = 0;  ///< Of the files in its writable layer.
};

struct VolumeUsage {
  std::string name;
  std::uint64_t bytes = 0;
  std::size_t containers = 0;
};

struct DiskUsage {
  image::StoreUsage images;
  std::vector<ContainerUsage> containers;
  std::vector<VolumeUsage> volumes;
};

DiskUsage disk_usage(const Places& places);

/// Of regular files below the directory, each once, however many names it has. Changes the working directory meanwhile
/// (fts(3)).
std::uint64_t bytes_below(std::string directory);

/// Bytes of the files in a container's writable layer; 0 when it has none, or nobody may count them.
std::uint64_t writable_bytes(const Places& places, const container::Container& container);

/// The same for a volume.
std::uint64_t volume_bytes(const Places& places, const container::Volume& volume);

}  // namespace sandbox::engine
