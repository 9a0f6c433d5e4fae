// Containers as the image store needs to know them. Runs in the client.
#pragma once

#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

/// All containers, also those whose description can't be read (damaged, or a newer version's): what layers and image
/// their text names is theirs.
std::vector<image::ImageUser> image_users(const Places& places);

}  // namespace sandbox::engine
