// `save`: images of the store as one archive that is an OCI layout and a docker-archive at once, as Docker 25 and later
// write it. Runs in the client's process.
#pragma once

#include <vector>

#include "fuse-overlay/store/layer_sink.h"
#include "sandbox/image/image_store.h"

namespace sandbox::image {

/// Writes the archive to `fd`, which is borrowed. The same images give the same bytes. Throws NotFound when a blob of
/// theirs is missing, SysError.
void save(const std::vector<NamedManifest>& images, int fd, overlay::Compression compression);

}  // namespace sandbox::image
