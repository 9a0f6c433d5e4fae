// Registry client: distribution-spec pull over libcurl (loaded when first needed).
#pragma once

#include <functional>
#include <string>

#include "sandbox/image/image_store.h"

namespace sandbox::image {

struct PullOptions {
  std::string platform;  ///< "linux/amd64"; empty: this host's.
  std::function<void(const std::string&)> progress;  ///< One line each, as Docker's plain output.
};

/// Fetches manifest, config and missing layers, verifies every digest and size while streaming,
/// records the name. Returns the manifest digest. Plain HTTP only for loopback registries.
/// Throws NotFound, Error.
std::string pull(ImageStore& store, const Reference& reference, const PullOptions& options);

}  // namespace sandbox::image
