// See disk_usage.h.
#include "sandbox/engine/disk_usage.h"

#include <fts.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/engine/container_archive.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/engine/image_users.h"

namespace sandbox::engine {
namespace {

std::uint64_t count_as_owner(const Places& places, const container::Container& container,
                             const std::string& directory) {
  try {
    return std::stoull(as_owner_of_files(places, container, [&] { return std::to_string(bytes_below(directory)); }));
  } catch (const Error&) {
    return 0;
  }
}

std::vector<VolumeUsage> volume_usage(const Places& places, const std::vector<ContainerUsage>& containers) {
  const container::VolumeStore store(places);
  std::vector<VolumeUsage> volumes;
  for (const container::Volume& volume : store.list()) {
    VolumeUsage usage{volume.name, volume_bytes(places, volume), 0};
    for (const ContainerUsage& one : containers) {
      const auto names = store.volumes_of(one.container.spec);
      usage.containers += std::ranges::find(names, volume.name) == names.end() ? 0U : 1U;
    }
    volumes.push_back(std::move(usage));
  }
  return volumes;
}

}  // namespace

std::uint64_t bytes_below(std::string directory) {
  char* const roots[] = {directory.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(::fts_open(roots, FTS_PHYSICAL | FTS_XDEV, nullptr), ::fts_close);
  if (!walk) throw SysError(Errno{errno}, fmt::format("reading '{}'", directory));
  std::set<std::pair<dev_t, ino_t>> counted;
  std::uint64_t bytes = 0;
  while (const FTSENT* entry = ::fts_read(walk.get())) {
    if (entry->fts_info != FTS_F) continue;
    const struct stat& status = *entry->fts_statp;
    if (status.st_nlink > 1 && !counted.emplace(status.st_dev, status.st_ino).second) continue;
    bytes += static_cast<std::uint64_t>(status.st_size);
  }
  return bytes;
}

std::uint64_t writable_bytes(const Places& places, const container::Container& container) {
  const std::string& upper = container.spec.plan.root.upper;
  return upper.empty() ? 0 : count_as_owner(places, container, upper);
}

std::uint64_t volume_bytes(const Places& places, const container::Volume& volume) {
  const auto count = [&] { return std::to_string(bytes_below(volume.data())); };
  try {
    const FoundRange range = find_id_range(places);
    return std::stoull(range.kept ? userns::ask_in_namespace(range.kept->user_ns.get(), count)
                                  : userns::ask_in_own_namespace(count));
  } catch (const Error&) {
    return 0;
  }
}

DiskUsage disk_usage(const Places& places) {
  DiskUsage usage;
  usage.images = image::ImageStore(places).usage(image_users(places));
  for (auto& container : container::ContainerStore(places).list()) {
    const std::uint64_t bytes = writable_bytes(places, container);
    usage.containers.push_back({std::move(container), bytes});
  }
  usage.volumes = volume_usage(places, usage.containers);
  return usage;
}

}  // namespace sandbox::engine
