// Parts of what unpacks layers: see unpack.cc. Internal to this room.
#pragma once

#include <string>

#include "fuse-overlay/store/apply.h"
#include "sandbox/base/places.h"
#include "sandbox/image/image_store.h"

namespace sandbox::image {

/// The unpacked layer's fs directory in the own or an additional store; empty when nowhere. `hex`: of its chain id.
std::string find_unpacked(const Places& places, const std::string& hex, bool range);

/// The layer's blob in the image's layout, or in the own one. Throws NotFound.
Fd open_layer_blob(const Places& places, const Image& image, const std::string& digest);

/// Unpacks the archive `blob` into the new directory `staging`. Does not sync. Throws InvalidInput when it is not that
/// of `diff_id`, and what apply_layer() throws.
void fill_layer(int blob, const std::string& staging, const std::string& diff_id, const overlay::ApplyOptions& options);

/// All of the file system that `path` is on is on the disk when it returns.
void sync_files(const std::string& path);

/// Gives a finished layer, which is on the disk, its name. Returns its directory.
std::string publish_layer(const Places& places, const std::string& staging, const std::string& hex);

/// The names of published layers are on the disk when it returns.
void sync_names(const Places& places);

}  // namespace sandbox::image
