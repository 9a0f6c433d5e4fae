// Manifests and indexes as a registry gives them: checked documents (image-spec manifest.md, image-index.md,
// Docker's manifest v2 schema 2). Pure functions over text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json.h"
#include "sandbox/image/image_store.h"

namespace sandbox::image {

/// The beginning of a stranger's words, fit for a terminal.
std::string printable(std::string_view text);

struct Platform {
  std::string os, architecture, variant;
  std::string text() const;  ///< "linux/arm64/v8"
};

/// "linux/amd64", "linux/arm/v7"; empty: this machine's. Throws UsageError.
Platform parse_platform(const std::string& text);

/// A manifest or an index, told apart and checked.
struct RegistryDocument {
  bool is_index = false;
  std::string media_type;
  Json json;
};

/// `content_type` is the header of the answer. Throws InvalidInput when type, header and content disagree,
/// or when the document could be read both as a manifest and as an index (CVE-2021-41190).
RegistryDocument parse_registry_document(const std::string& body, const std::string& content_type);

/// The entry of an index for `wanted`. Throws NotFound listing what there is; `name` is for the message.
Descriptor choose_manifest(const RegistryDocument& index, const Platform& wanted, std::string_view name);

/// Whether a config of this type makes its manifest a container image's; one that tells no type does.
bool is_image_config(std::string_view media_type);

struct ManifestContent {
  bool is_image = true;  ///< No artifact, whose config and layers can be anything.
  Descriptor config;
  std::vector<Descriptor> layers;
};

/// Throws InvalidInput; Unsupported for images with layers of another type. `urls` of layers are
/// ignored: blobs come from the registry that was named.
ManifestContent read_manifest(const RegistryDocument& manifest);

/// Checks the image configuration against its manifest. Throws InvalidInput. Returns its platform; parts
/// that it doesn't name are empty.
Platform check_config(const std::string& config, const ManifestContent& manifest);

/// What an image configuration says of itself; parts that it doesn't name are empty.
Platform platform_of_config(const Json& config);

/// True when an image for `offered` is one for `wanted`.
bool platform_matches(const Platform& offered, const Platform& wanted);

}  // namespace sandbox::image
