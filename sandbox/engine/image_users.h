// Containers as the image store needs to know them. Runs in the client.
#pragma once

#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/container/spec.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

/// All containers, also those whose description can't be read (damaged, or a newer version's): what layers and image
/// their text names is theirs.
std::vector<image::ImageUser> image_users(const Places& places);

/// The layers that a container has: of its root, and of images that it has mounted.
std::vector<std::string> layers_of(const container::Spec& spec);

}  // namespace sandbox::engine
