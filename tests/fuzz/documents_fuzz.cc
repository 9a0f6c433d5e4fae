// Documents from registries and archives: manifests, indexes, image configurations, build caches, seccomp profiles.
#include "profiles/seccomp.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/json.h"
#include "sandbox/image/cache_config.h"
#include "sandbox/image/registry_manifest.h"
#include "target.h"

using namespace sandbox;

namespace {

void check_cache(const image::CacheDocument& cache) {
  const auto step = cache.find(std::string(64, '0'));
  if (!step) return;
  fuzz::require(step->layers.size() == step->diff_ids.size(), "each layer has a digest of its content");
  for (const image::Descriptor& layer : step->layers)
    fuzz::require(is_valid_digest(layer.digest), "a layer is named by its digest");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  for (const char* type :
       {"", "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"}) {
    fuzz::attempt([&] {
      const image::RegistryDocument document = image::parse_registry_document(text, type);
      if (document.is_index) {
        static_cast<void>(image::choose_manifest(document, image::parse_platform("linux/amd64"), "fuzz"));
      } else {
        static_cast<void>(image::read_manifest(document));
      }
    });
  }
  fuzz::attempt([&] { check_cache(image::CacheDocument::parse(text)); });
  fuzz::attempt([&] {
    image::Image image;
    image.config_document = parse_json(text, "fuzz");
    image.layers = {{"application/vnd.oci.image.layer.v1.tar", "sha256:" + std::string(64, '1'), 1}};
    image.diff_ids = {"sha256:" + std::string(64, '1')};
    check_cache(image::CacheDocument::of_image(image));
  });
  fuzz::attempt([&] { static_cast<void>(image::check_config(text, {})); });
  fuzz::attempt([&] { static_cast<void>(profiles::compile_seccomp(parse_json(text, "fuzz"), 0)); });
  return 0;
}
