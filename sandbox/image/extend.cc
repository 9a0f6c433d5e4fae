// New images made of parts: a config and layers. In the caller's process.
#include "sandbox/base/digest.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {
namespace {

/// The names of the image-spec for what other documents call otherwise: a manifest has one family of types.
Descriptor with_oci_type(Descriptor layer) {
  if (layer.media_type == "application/vnd.docker.image.rootfs.diff.tar.gzip")
    layer.media_type = std::string(media_layer) + "+gzip";
  if (layer.media_type == "application/vnd.docker.image.rootfs.diff.tar") layer.media_type = media_layer;
  return layer;
}

}  // namespace

Image ImageStore::write_documents(const Json& document, const std::vector<Descriptor>& layers,
                                  const std::map<std::string, std::string>& annotations) {
  Image image;
  const std::string config = document.dump();
  image.config = {media_config, write_blob(config), config.size()};
  Json list = Json::array();
  for (const Descriptor& layer : layers) {
    image.layers.push_back(with_oci_type(layer));
    list.push_back(descriptor_json(image.layers.back()));
  }
  Json manifest = {{"schemaVersion", 2},
                   {"mediaType", media_manifest},
                   {"config", descriptor_json(image.config)},
                   {"layers", std::move(list)}};
  if (!annotations.empty()) manifest["annotations"] = annotations;
  const std::string text = manifest.dump();
  image.manifest = {media_manifest, write_blob(text), text.size()};
  image.config_document = document;
  image.layout = layout();
  return image;
}

std::string ImageStore::write_image(const Json& document, const std::vector<Descriptor>& layers,
                                    const Reference& name) {
  const Image image = write_documents(document, layers, {});
  record(image.manifest, name);
  if (!name.repository.empty()) tell("tag", image.id(), name.familiar());
  return image.id();
}

std::string ImageStore::extend(const Image& base, Json document, const std::function<PackedLayer(int file)>& write,
                               const Reference& name) {
  const Staged staged = stage();
  const Fd file = sys::openat(AT_FDCWD, staged.path().c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644) |
                  or_throw("creating '{}'", staged.path());
  const PackedLayer layer = write(file.get());
  adopt_image(base);
  std::vector<Descriptor> layers = base.layers;
  if (layer.empty) {
    document["history"].back()["empty_layer"] = true;
  } else {
    adopt_blob(staged.path(), layer.digest);
    layers.push_back({std::string(media_layer) + "+gzip", layer.digest, layer.size});
    document["rootfs"]["diff_ids"].push_back(layer.diff_id);
  }
  return write_image(document, layers, name);
}

}  // namespace sandbox::image
