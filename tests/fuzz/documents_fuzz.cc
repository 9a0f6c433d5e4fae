// Documents from registries and archives: manifests, indexes, image configurations, seccomp profiles.
#include "profiles/seccomp.h"
#include "sandbox/base/json.h"
#include "sandbox/image/registry_manifest.h"
#include "target.h"

using namespace sandbox;

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
  fuzz::attempt([&] { static_cast<void>(image::check_config(text, {})); });
  fuzz::attempt([&] { static_cast<void>(profiles::compile_seccomp(parse_json(text, "fuzz"), 0)); });
  return 0;
}
