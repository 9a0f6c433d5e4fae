// Push: an image of the store into a registry, its bytes as they are.
#pragma once

#include <string>

#include "sandbox/image/image_store.h"
#include "sandbox/image/progress.h"

namespace sandbox::image {

/// Sends what `source` is to `target`: blobs that the registry lacks, several at once, from the other repositories of
/// the registry where it has them there; then the manifests, those of an index before it. Returns the manifest's
/// digest, which is the one it has in the store. Throws Error, NotFound when a blob is missing here.
std::string push(const ImageStore& store, const NamedManifest& source, const Reference& target, Progress& progress);

}  // namespace sandbox::image
