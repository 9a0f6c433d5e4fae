// What builds keep for later ones: results of steps, and cache mounts. Runs in the client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/places.h"

namespace sandbox::engine {

/// Where the cache mount `id` is kept: its files in "data", and "lock" for who wants it alone.
std::string cache_mount_directory(const Places& places, const std::string& id);

/// The directory of what is known of files in contexts (build::ContentCache).
std::string content_caches(const Places& places);

/// Notes that a step has the cache mount in that directory.
void note_cache_mount(const std::string& directory);

struct CacheMount {
  std::string id;           ///< 64 hexadecimal digits: the name of its directory.
  std::uint64_t bytes = 0;  ///< Of its files.
  std::int64_t created = 0, used = 0;  ///< Seconds since the epoch.
  std::size_t uses = 0;
};
std::vector<CacheMount> cache_mounts(const Places& places);

struct PrunedBuildCache {
  std::size_t steps = 0, mounts = 0;
  std::uint64_t bytes = 0;  ///< Free now.
};
/// Forgets all steps and what contexts hold, and with `mounts` the files of cache mounts. What an image needs stays. A
/// full disk is no obstacle.
PrunedBuildCache prune_build_cache(const Places& places, bool mounts);

}  // namespace sandbox::engine
