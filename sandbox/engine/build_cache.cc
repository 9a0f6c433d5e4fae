// See build_cache.h.
#include "sandbox/engine/build_cache.h"

#include <fcntl.h>

#include <sstream>

#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
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

void note_cache_mount(const std::string& directory) { image::note_use(directory + "/uses", O_CREAT); }

std::vector<CacheMount> cache_mounts(const Places& places) {
  const std::string parent = mounts_directory(places);
  std::vector<CacheMount> found;
  for (const std::string& id : list_directory(parent)) {
    CacheMount& mount = found.emplace_back();
    mount.id = id;
    const std::string directory = parent + "/" + id;
    if (const auto status = sys::fstatat(AT_FDCWD, directory.c_str(), 0)) mount.created = status->st_mtim.tv_sec;
    const auto uses = sys::fstatat(AT_FDCWD, (directory + "/uses").c_str(), 0);
    if (!uses) continue;
    mount.used = uses->st_mtim.tv_sec;
    mount.uses = static_cast<std::size_t>(uses->st_size);
  }
  if (found.empty()) return found;
  std::istringstream sizes(StepFiles(places).as_root([&] {
    std::string lines;
    for (const CacheMount& mount : found) lines += fmt::format("{}\n", bytes_below(parent + "/" + mount.id + "/data"));
    return lines;
  }));
  for (CacheMount& mount : found) sizes >> mount.bytes;
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
    const std::vector<CacheMount> found = cache_mounts(places);
    userns::remove_tree_of_all_ids(mounts_directory(places));
    pruned.mounts = found.size();
    for (const CacheMount& mount : found) pruned.bytes += mount.bytes;
  }
  pruned.bytes += image::ImageStore(places).collect([&] { return image_users(places); });
  return pruned;
}

}  // namespace sandbox::engine
