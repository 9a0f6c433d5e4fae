// What a container's mounts need before it is made: volumes, with what the image has for them, and directories of the
// host. Runs in the client.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/container/spec.h"
#include "sandbox/container/volume_store.h"
#include "sandbox/engine/mounts.h"

namespace sandbox::engine {

/// Makes what is absent, and fills empty volumes. Volumes stay as they are until `held` goes, so that the container can
/// be made that counts as their user; then, or when that has failed, they are settled. Nothing is held when there are
/// none. Throws UsageError for a source of --mount that does not exist.
void prepare_mounts(const Places& places, const container::Spec& spec, const std::vector<UserMount>& mounts,
                    std::optional<container::VolumeStore::Held>& held);

struct PrunedVolumes {
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
};
/// Removes volumes that no container has, the anonymous ones or all, and that `goes` is true for.
PrunedVolumes prune_volumes(const Places& places, bool all, const std::function<bool(const container::Volume&)>& goes);

}  // namespace sandbox::engine
