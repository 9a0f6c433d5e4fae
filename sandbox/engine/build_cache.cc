// See build_cache.h.
#include "sandbox/engine/build_cache.h"

#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/image_users.h"
#include "sandbox/engine/step_files.h"
#include "sandbox/image/step_records.h"
#include "userns/kept_namespace.h"

namespace sandbox::engine {
namespace {

std::string mounts_directory(const Places& places) { return places.data + "/build-cache/mounts"; }

}  // namespace

std::string cache_mount_directory(const Places& places, const std::string& id) {
  return mounts_directory(places) + "/" + sha256_digest(id).substr(7);
}

std::string content_caches(const Places& places) { return places.data + "/build-cache/contents"; }

CacheMounts cache_mounts(const Places& places) {
  const std::string directory = mounts_directory(places);
  CacheMounts found{list_directory(directory).size(), 0};
  if (found.count == 0) return found;
  found.bytes = std::stoull(StepFiles(places).as_root([&] { return std::to_string(bytes_below(directory)); }));
  return found;
}

PrunedBuildCache prune_build_cache(const Places& places, bool mounts) {
  PrunedBuildCache pruned;
  const image::StepRecords records(places);
  for (const image::StepRecord& record : records.list()) {
    records.forget(record.key);
    ++pruned.steps;
  }
  pruned.bytes += bytes_below(content_caches(places));
  remove_tree(content_caches(places));
  if (mounts) {
    const CacheMounts found = cache_mounts(places);
    userns::remove_tree_of_all_ids(mounts_directory(places));
    pruned.mounts = found.count;
    pruned.bytes += found.bytes;
  }
  pruned.bytes += image::ImageStore(places).collect([&] { return image_users(places); });
  return pruned;
}

}  // namespace sandbox::engine
