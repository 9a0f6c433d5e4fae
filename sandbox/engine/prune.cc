// See prune.h.
#include "sandbox/engine/prune.h"

#include "sandbox/base/error.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/image_users.h"

namespace sandbox::engine {

PrunedContainers prune_containers(const Places& places) {
  const container::ContainerStore store(places);
  PrunedContainers pruned;
  for (const auto& found : store.list_swept()) {
    if (container::is_up(found.state) || found.spec.owner.pid != 0) continue;
    const std::uint64_t bytes = writable_bytes(places, found);
    try {
      store.remove(found);
    } catch (const Conflict&) {
      continue;  // it has been started
    } catch (const NotFound&) {
      continue;  // somebody else was quicker
    }
    pruned.ids.push_back(found.spec.id);
    pruned.bytes += bytes;
  }
  return pruned;
}

image::Pruned prune_images(const Places& places, bool all) {
  return image::ImageStore(places).prune(all, [&] { return image_users(places); });
}

}  // namespace sandbox::engine
