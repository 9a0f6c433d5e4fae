// Checks of manifests and the choice of a platform: see registry_manifest.h.
#include "sandbox/image/registry_manifest.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <limits>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {
namespace {

constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::array<std::string_view, 2> kConfigTypes = {"application/vnd.oci.image.config.v1+json",
                                                          "application/vnd.docker.container.image.v1+json"};
constexpr std::array<std::string_view, 9> kLayerTypes = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd"};
constexpr std::string_view kForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
constexpr std::size_t kMostLayers = 512;
constexpr std::uint64_t kLargestDocument = 4U << 20;

std::string string_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Descriptor read_descriptor(const Json& json, std::string_view what) {
  if (!json.is_object()) throw InvalidInput(fmt::format("{}: not an object", what));
  Descriptor descriptor{string_member(json, "mediaType"), string_member(json, "digest"), 0};
  require_digest(descriptor.digest, what);
  const auto size = json.find("size");
  // nlohmann reads a non-negative literal as unsigned; a negative one or a fraction is neither.
  if (size == json.end() || !size->is_number_unsigned()) throw InvalidInput(fmt::format("{}: invalid size", what));
  descriptor.size = size->get<std::uint64_t>();
  if (descriptor.size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw InvalidInput(fmt::format("{}: invalid size", what));
  }
  return descriptor;
}

bool is_index_type(std::string_view type) { return type == kOciIndex || type == kDockerList; }
bool is_manifest_type(std::string_view type) { return type == kOciManifest || type == kDockerManifest; }

Platform platform_of(const Json& entry) {
  const auto found = entry.find("platform");
  if (found == entry.end() || !found->is_object()) return {};
  return {string_member(*found, "os"), string_member(*found, "architecture"), string_member(*found, "variant")};
}

// Fitness of an offer: 0 doesn't run here, more is better.
int fitness(const Platform& offered, const Platform& wanted) {
  if (offered.os != wanted.os || offered.architecture != wanted.architecture) return 0;
  if (offered.variant == wanted.variant) return 100;
  const auto level = [](const std::string& variant) {
    return variant.size() == 2 && variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9' ? variant[1] - '0' : 0;
  };
  if (offered.variant.empty()) return 50;
  // Without a word about the variant, the lowest runs on most machines.
  if (wanted.variant.empty()) return 40 - level(offered.variant);
  // A later arm runs what was built for an earlier one.
  const bool runs = wanted.architecture.starts_with("arm") && level(offered.variant) != 0 &&
                    level(offered.variant) < level(wanted.variant);
  return runs ? 60 + level(offered.variant) : 0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string clean(text.substr(0, 100));
  std::replace_if(clean.begin(), clean.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return clean;
}

std::string Platform::text() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

Platform parse_platform(const std::string& text) {
  if (text.empty()) {
    struct utsname host {};
    ::uname(&host);
    const std::string machine = host.machine;
    if (machine == "x86_64") return {"linux", "amd64", ""};
    if (machine == "aarch64") return {"linux", "arm64", "v8"};
    if (machine == "armv7l" || machine == "armv8l") return {"linux", "arm", "v7"};
    if (machine == "armv6l") return {"linux", "arm", "v6"};
    return {"linux", machine.size() == 4 && machine.ends_with("86") ? "386" : machine, ""};
  }
  Platform platform;
  const auto first = text.find('/');
  if (first != std::string::npos) {
    platform.os = text.substr(0, first);
    platform.architecture = text.substr(first + 1);
    if (const auto second = platform.architecture.find('/'); second != std::string::npos) {
      platform.variant = platform.architecture.substr(second + 1);
      platform.architecture.resize(second);
    }
  }
  if (platform.os != "linux" || platform.architecture.empty() || platform.variant.contains('/')) {
    throw UsageError(fmt::format("invalid platform '{}': expected linux/<architecture>[/<variant>]", printable(text)));
  }
  if (platform.architecture == "x86_64") platform.architecture = "amd64";
  if (platform.architecture == "aarch64") platform.architecture = "arm64";
  return platform;
}

bool platform_matches(const Platform& offered, const Platform& wanted) { return fitness(offered, wanted) > 0; }

RegistryDocument parse_registry_document(const std::string& body, const std::string& content_type) {
  RegistryDocument document{false, {}, parse_json(body, "the manifest")};
  const Json& json = document.json;
  if (!json.is_object()) throw InvalidInput("the manifest is not an object");
  if (json.contains("layers") && json.contains("manifests")) {
    throw InvalidInput("the manifest has both 'layers' and 'manifests'");
  }
  const auto version = json.find("schemaVersion");
  if (version == json.end() || !version->is_number_integer() || *version != 2) {
    throw InvalidInput("the manifest's schemaVersion is not 2");
  }
  std::string header = content_type.substr(0, content_type.find(';'));
  while (header.ends_with(' ')) header.pop_back();
  document.media_type = string_member(json, "mediaType");
  if (document.media_type.empty()) document.media_type = header;
  if (document.media_type != header) {
    throw InvalidInput(fmt::format("the manifest's mediaType '{}' is not its content type '{}'",
                                   printable(document.media_type), printable(header)));
  }
  document.is_index = is_index_type(document.media_type);
  if (!document.is_index && !is_manifest_type(document.media_type)) {
    throw InvalidInput(fmt::format("unknown manifest type '{}'", printable(document.media_type)));
  }
  const char* list = document.is_index ? "manifests" : "layers";
  if (!json.contains(list) || !json[list].is_array()) {
    throw InvalidInput(fmt::format("the manifest of type '{}' has no list '{}'", document.media_type, list));
  }
  return document;
}

Descriptor choose_manifest(const RegistryDocument& index, const Platform& wanted, std::string_view name) {
  const Json& entries = index.json["manifests"];
  const Json* best = nullptr;
  int best_fitness = 0;
  std::string offers;
  for (const Json& entry : entries) {
    if (!entry.is_object()) throw InvalidInput("an entry of the index is not an object");
    const Platform offered = platform_of(entry);
    // Attestations stand in indexes under "unknown/unknown".
    if (!offered.os.empty() && offered.os != "unknown" && offers.size() < 500) {
      offers += (offers.empty() ? "" : ", ") + printable(offered.text());
    }
    const bool only = entries.size() == 1 && !entry.contains("platform");
    const int value = only ? 1 : fitness(offered, wanted);
    if (value > best_fitness) {
      best = &entry;
      best_fitness = value;
    }
  }
  if (best == nullptr) {
    throw NotFound(fmt::format("no image for {} in the index of {} (available: {})", wanted.text(), name,
                               offers.empty() ? "none" : offers));
  }
  Descriptor descriptor = read_descriptor(*best, "the index's entry");
  if (is_index_type(descriptor.media_type)) throw InvalidInput("the index holds another index");
  if (descriptor.size > kLargestDocument) throw InvalidInput("the manifest is longer than 4 MiB");
  return descriptor;
}

bool is_image_config(std::string_view media_type) {
  return media_type.empty() || std::find(kConfigTypes.begin(), kConfigTypes.end(), media_type) != kConfigTypes.end();
}

ManifestContent read_manifest(const RegistryDocument& manifest) {
  const auto config = manifest.json.find("config");
  if (config == manifest.json.end()) throw InvalidInput("the manifest has no 'config'");
  ManifestContent content{true, read_descriptor(*config, "the manifest's config"), {}};
  content.is_image = is_image_config(content.config.media_type);
  if (content.is_image && content.config.size > kLargestDocument)
    throw InvalidInput("the image's config is longer than 4 MiB");
  const Json& layers = manifest.json["layers"];
  if (layers.size() > kMostLayers) throw InvalidInput(fmt::format("more than {} layers", kMostLayers));
  for (const Json& layer : layers) {
    Descriptor descriptor = read_descriptor(layer, fmt::format("layer {}", content.layers.size()));
    if (content.is_image &&
        std::find(kLayerTypes.begin(), kLayerTypes.end(), descriptor.media_type) == kLayerTypes.end() &&
        descriptor.media_type != kForeignLayer) {
      throw Unsupported(fmt::format("layer {} has type '{}'", content.layers.size(), printable(descriptor.media_type)));
    }
    content.layers.push_back(std::move(descriptor));
  }
  return content;
}

Platform platform_of_config(const Json& config) {
  return {string_member(config, "os"), string_member(config, "architecture"), string_member(config, "variant")};
}

Platform check_config(const std::string& config, const ManifestContent& manifest) {
  const Json json = parse_json(config, "the image's config");
  if (!json.is_object()) throw InvalidInput("the image's config is not an object");
  const auto rootfs = json.find("rootfs");
  const Json* ids = nullptr;
  if (rootfs != json.end() && rootfs->is_object() && rootfs->contains("diff_ids")) ids = &(*rootfs)["diff_ids"];
  if (ids == nullptr || !ids->is_array() || ids->size() != manifest.layers.size()) {
    throw InvalidInput("the image's config doesn't list one diff id for each layer");
  }
  for (const Json& id : *ids) {
    if (!id.is_string() || !is_valid_digest(id.get_ref<const std::string&>())) {
      throw InvalidInput("the image's config has an invalid diff id");
    }
  }
  return platform_of_config(json);
}

}  // namespace sandbox::image
