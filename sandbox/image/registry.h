// Registry client: distribution-spec pull over libcurl (loaded when first needed).
#pragma once

#include <string>

#include "sandbox/image/image_store.h"
#include "sandbox/image/progress.h"

namespace sandbox::image {

struct PullOptions {
  std::string platform;  ///< "linux/amd64"; empty: this host's.
  Progress* progress = nullptr;  ///< Borrowed; none: silence.
};

/// Fetches manifest, config and missing layers, several at once, verifies every digest and size while streaming,
/// records the name. Returns the manifest digest. Plain HTTP only for loopback registries.
/// Throws NotFound, Error.
std::string pull(ImageStore& store, const Reference& reference, const PullOptions& options);

}  // namespace sandbox::image
