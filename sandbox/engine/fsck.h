// `system fsck`: the whole store. Runs in the client.
#pragma once

#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

/// Images and layers (image::ImageStore::check), then containers: their descriptions parse, and what they name is
/// there; then networks' descriptions. With `repair` what nobody can read is moved to quarantine/, a container with all
/// its files, and lost layers are unpacked again.
std::vector<image::Finding> check_store(const Places& places, bool full, bool repair);

}  // namespace sandbox::engine
