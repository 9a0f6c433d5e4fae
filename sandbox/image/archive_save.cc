// See archive_save.h. The blobs go as they are, each once, in the order of their names.
#include "sandbox/image/archive_save.h"

#include <algorithm>
#include <map>

#include "fuse-overlay/store/archive_writer.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {
namespace {

Json index_document(const std::vector<NamedManifest>& images) {
  Json manifests = Json::array();
  for (const NamedManifest& image : images) {
    Json entry = descriptor_json(image.manifest);
    if (!image.name.empty()) {
      const Reference name = parse_reference(image.name);
      entry["annotations"] = {{annotation_containerd, image.name}};
      if (!name.tag.empty()) entry["annotations"][annotation_name] = name.tag;
    }
    manifests.push_back(std::move(entry));
  }
  return {{"schemaVersion", 2}, {"mediaType", media_index}, {"manifests", std::move(manifests)}};
}

/// manifest.json and repositories, for who knows no OCI layouts.
struct DockerDocuments {
  Json manifest = Json::array(), repositories = Json::object();
};

void add_image(DockerDocuments& documents, const Image& image) {
  if (!image.artifact_type.empty()) return;
  const std::string config = blob_name(image.config.digest);
  const auto same = [&](const Json& entry) { return entry.at("Config") == config; };
  auto entry = std::ranges::find_if(documents.manifest, same);
  if (entry == documents.manifest.end()) {
    Json layers = Json::array();
    for (const Descriptor& layer : image.layers) layers.push_back(blob_name(layer.digest));
    documents.manifest.push_back({{"Config", config}, {"RepoTags", nullptr}, {"Layers", std::move(layers)}});
    entry = documents.manifest.end() - 1;
  }
  const Reference name = image.name.empty() ? Reference{} : parse_reference(image.name);
  if (name.tag.empty()) return;
  (*entry)["RepoTags"].push_back(name.familiar());
  if (!image.layers.empty()) {
    documents.repositories[name.familiar_repository()][name.tag] = hex_of(image.layers.back().digest);
  }
}

DockerDocuments docker_documents(const std::vector<NamedManifest>& images) {
  DockerDocuments documents;
  for (const NamedManifest& named : images) {
    try {
      add_image(documents, read_image(named.layout, {named.name, named.manifest}));
    } catch (const NotFound&) {
      continue;  // an index without this machine's platform: who reads manifest.json could not run it
    }
  }
  return documents;
}

class Archive {
 public:
  Archive(int fd, overlay::Compression compression) : sink_(fd, compression), writer_(sink_) {}

  void add_directory(const std::string& path) {
    writer_.add({.path = path, .type = '5', .link = {}, .mode = 0755, .xattrs = {}});
  }

  void add(const std::string& path, int file) {
    const auto status = sys::fstat(file) | or_throw("reading '{}'", path);
    writer_.add_file({.path = path, .link = {}, .mode = 0644, .xattrs = {}}, file,
                     static_cast<std::uint64_t>(status.st_size));
  }

  void add_document(const std::string& path, const Json& document) {
    add(path, helper_document(document.dump()).get());
  }

  void finish() {
    writer_.finish();
    sink_.finish();
  }

 private:
  overlay::LayerSink sink_;
  overlay::ArchiveWriter writer_;
};

}  // namespace

void save(const std::vector<NamedManifest>& images, int fd, overlay::Compression compression) {
  std::map<std::string, std::string> blobs;  // digest, file
  for (const NamedManifest& image : images) {
    for (const std::string& digest : reachable_blobs(image.layout, image.manifest)) {
      blobs.emplace(digest, blob_in(image.layout, digest));
    }
  }
  const DockerDocuments docker = docker_documents(images);
  Archive archive(fd, compression);
  archive.add_directory("blobs");
  for (std::string_view last; const auto& [digest, path] : blobs) {
    const std::string_view algorithm = name_of(algorithm_of(digest));
    if (algorithm != last) archive.add_directory(fmt::format("blobs/{}", algorithm));
    last = algorithm;
    const auto file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY);
    if (!file) throw NotFound(fmt::format("blob {} is missing", digest), "pull the image again");
    archive.add(blob_name(digest), file->get());
  }
  archive.add_document("index.json", index_document(images));
  if (!docker.manifest.empty()) archive.add_document("manifest.json", docker.manifest);
  archive.add_document("oci-layout", {{"imageLayoutVersion", "1.0.0"}});
  if (!docker.repositories.empty()) archive.add_document("repositories", docker.repositories);
  archive.finish();
}

}  // namespace sandbox::image
