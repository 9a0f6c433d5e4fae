// Images as directories of the host that programs can read: a FUSE mount through the distribution's fusermount3, since
// no process without rights may mount there itself. Runs in the client; the overlay helper (sbx:overlay) serves until
// the image is unmounted.
//
//     <runtime>/mounts/<image id>/root      the mount
//     <runtime>/mounts/<image id>/layers    the directories of its layers, a line each: in use while it is mounted
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

struct ImageMount {
  std::string image_id;  ///< "sha256:…"
  std::string path;
  std::vector<std::string> layers;
};

/// Mounts the image for reading, if it is not mounted already; everything in there is the caller's. Returns the path.
/// Throws Unsupported without fusermount3 or /dev/fuse.
std::string mount_image(const Places& places, const image::Image& image);

/// Throws NotFound for what is not mounted, Error while somebody uses it.
void unmount_image(const Places& places, const std::string& image_id);

std::vector<ImageMount> image_mounts(const Places& places);

}  // namespace sandbox::engine
