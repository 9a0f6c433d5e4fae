// Indexes of images for several platforms (image-spec image-index.md), made in the store out of what is there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/image/image_store.h"

namespace sandbox::image {

/// What an index says about an image and the machine that it is for; none: as it is.
struct PlatformWords {
  std::optional<std::string> os, architecture, variant, os_version;
  std::vector<std::string> os_features;
  std::map<std::string, std::string> annotations;
};

/// Records an index of the images `members` as `name`, those of an index one by one, each with the platform that its
/// config tells. With `amend` they come to what the name has. Returns the index. Throws Conflict when the name is
/// taken, NotFound for a member whose manifest is missing.
Descriptor create_list(ImageStore& store, const Reference& name, const std::vector<NamedManifest>& members, bool amend);

/// Changes what the index `name` says of the manifest `digest`; of itself, when that is empty: annotations. Throws
/// NotFound when it isn't in there, InvalidInput when the name is no index's.
Descriptor annotate_list(ImageStore& store, const Reference& name, const std::string& digest,
                         const PlatformWords& words);

/// What exactly has this name; or the image with this id, without a name. Throws NotFound.
NamedManifest find_manifest(const ImageStore& store, const std::string& reference);

/// The document, checked against its digest. Throws InvalidInput.
std::string manifest_text(const NamedManifest& named);

/// Whether it is an index, no image. Throws InvalidInput.
bool is_list(const NamedManifest& named);

/// Takes the name of an index away from the own store, and what nothing else needs. One that containers are of stays,
/// untagged. Throws NotFound; InvalidInput for the name of an image.
void remove_list(const Places& places, const Reference& name, const ListUsers& users);

/// The entries of an index, or the image as the only one. Each is a descriptor. Throws InvalidInput.
Json list_entries(const NamedManifest& named);

}  // namespace sandbox::image
