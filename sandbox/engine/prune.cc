// See prune.h.
#include "sandbox/engine/prune.h"

#include "sandbox/base/error.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/image_users.h"

namespace sandbox::engine {

PrunedContainers prune_containers(const Places& places, const std::function<bool(const container::Entry&)>& goes) {
  const container::ContainerStore store(places);
  PrunedContainers pruned;
  for (const container::Entry& entry : store.entries_swept()) {
    if (container::is_up(entry.state) || entry.spec.owner.pid != 0 || !goes(entry)) continue;
    std::uint64_t bytes = 0;
    try {
      const container::Container found = store.find(entry.spec.id);
      bytes = writable_bytes(places, found);
      store.remove(found);
    } catch (const Conflict&) {
      continue;  // it has been started
    } catch (const NotFound&) {
      continue;  // somebody else was quicker
    } catch (const InvalidInput&) {
      continue;  // damaged: fsck tells
    }
    pruned.ids.push_back(entry.spec.id);
    pruned.bytes += bytes;
  }
  return pruned;
}

image::Pruned prune_images(const Places& places, bool all, const std::function<bool(const image::Image&)>& goes) {
  image::ImageStore store(places);
  return store.prune(all, [&] {
    std::vector<image::ImageUser> users = image_users(places);
    // What is to stay has a user, who needs no more than that.
    for (const image::Image& one : store.list()) {
      if (!goes(one)) users.push_back({"", one.id(), false, {}});
    }
    return users;
  });
}

}  // namespace sandbox::engine
