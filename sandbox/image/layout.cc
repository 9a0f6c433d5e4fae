// Reading and writing OCI image layouts. See layout.h for the invariants.
#include "sandbox/image/layout.h"

#include <sys/utsname.h>

#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/registry_manifest.h"
#include "userns/kept_namespace.h"

namespace sandbox::image {
namespace {

/// Of writers that were killed; the caller holds the layout's lock.
void remove_unfinished_files(const std::string& layout) {
  for (const std::string& name : list_directory(layout)) {
    if (name.ends_with(".tmp")) remove_tree(layout + "/" + name);
  }
}

constexpr int max_nesting = 4;  // an index of indexes; more is nobody's image

Json read_json_blob(const std::string& layout, const Descriptor& descriptor, std::string_view what) {
  return parse_json(read_verified(layout, descriptor, what), what);
}

/// The manifest of this host's platform behind `descriptor`, which may be an image index.
Json resolve_manifest(const std::string& layout, Descriptor& descriptor) {
  for (int depth = 0; depth < max_nesting; ++depth) {
    const std::string what = fmt::format("manifest {}", descriptor.digest);
    Json document = read_json_blob(layout, descriptor, what);
    if (!document.is_object()) throw InvalidInput(fmt::format("{} is not an object", what));
    if (!document.contains("manifests")) return document;
    const Json* chosen = nullptr;
    for (const Json& child : document.at("manifests")) {
      const Json platform = child.value("platform", Json::object());
      if (platform.value("os", "linux") != "linux") continue;
      if (platform.value("architecture", host_architecture()) != host_architecture()) continue;
      chosen = &child;
      break;
    }
    if (!chosen) throw NotFound(fmt::format("{} has no image for linux/{}", what, host_architecture()));
    descriptor = parse_descriptor(*chosen, what);
  }
  throw InvalidInput(fmt::format("manifest {} is nested too deeply", descriptor.digest));
}

void walk(const std::string& layout, const Descriptor& descriptor, int depth, std::vector<std::string>& found) {
  if (depth > max_nesting) throw InvalidInput(fmt::format("manifest {} is nested too deeply", descriptor.digest));
  const std::string what = fmt::format("manifest {}", descriptor.digest);
  found.push_back(descriptor.digest);
  const Json document = read_json_blob(layout, descriptor, what);
  if (document.contains("config")) found.push_back(parse_descriptor(document.at("config"), what).digest);
  for (const Json& layer : document.value("layers", Json::array()))
    found.push_back(parse_descriptor(layer, what).digest);
  for (const Json& child : document.value("manifests", Json::array())) {
    const Descriptor next = parse_descriptor(child, what);
    if (path_exists(blob_in(layout, next.digest))) walk(layout, next, depth + 1, found);
  }
}

}  // namespace

void require_digest(const std::string& text, std::string_view what) {
  const std::string fault = digest_fault(text);
  if (!fault.empty()) throw InvalidInput(fmt::format("{}: '{}' {}", what, printable(text), fault));
}

std::string blob_name(const std::string& digest) {
  require_digest(digest, "a blob");
  return fmt::format("blobs/{}/{}", name_of(algorithm_of(digest)), hex_of(digest));
}

std::string blob_in(const std::string& layout, const std::string& digest) {
  return fmt::format("{}/{}", layout, blob_name(digest));
}

std::string digest_of_blob(std::string_view name) {
  std::string digest = digest_with_hex(name.substr(name.rfind('/') + 1));
  return digest.empty() || blob_name(digest) != name ? std::string() : digest;
}

std::vector<std::string> blob_names(const std::string& layout) {
  std::vector<std::string> names;
  for (const DigestAlgorithm algorithm : kDigestAlgorithms) {
    const std::string place = fmt::format("blobs/{}", name_of(algorithm));
    for (const std::string& name : list_directory(fmt::format("{}/{}", layout, place)))
      names.push_back(fmt::format("{}/{}", place, name));
  }
  return names;
}

Descriptor parse_descriptor(const Json& json, std::string_view what) {
  Descriptor descriptor{json.value("mediaType", ""), json.at("digest").get<std::string>(), 0};
  const Json& size = json.at("size");
  if (!size.is_number_unsigned())
    throw InvalidInput(fmt::format("{}: a descriptor's size is not a natural number", what));
  descriptor.size = size.get<std::uint64_t>();
  require_digest(descriptor.digest, what);
  return descriptor;
}

Json descriptor_json(const Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest}, {"size", descriptor.size}};
}

Fd open_regular(const std::string& path) {
  Fd file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_NONBLOCK) | or_throw("opening '{}'", path);
  const auto status = sys::fstat(file.get()) | or_throw("reading '{}'", path);
  if (!S_ISREG(status.st_mode)) throw InvalidInput(fmt::format("'{}' is not a regular file", path));
  return file;
}

std::vector<IndexEntry> read_index(const std::string& layout) {
  const std::string path = layout + "/index.json";
  if (!path_exists(path)) return {};
  return reading_document(path, [&] {
    const Json document = parse_json(read_to_end(open_regular(path).get(), path, max_document), path);
    std::vector<IndexEntry> entries;
    for (const Json& entry : document.at("manifests")) {
      const Json annotations = entry.value("annotations", Json::object());
      entries.push_back({annotations.value(annotation_name, ""), parse_descriptor(entry, path)});
    }
    return entries;
  });
}

void write_index(const std::string& layout, const std::vector<IndexEntry>& entries) {
  Json manifests = Json::array();
  for (const IndexEntry& entry : entries) {
    Json json = descriptor_json(entry.manifest);
    if (!entry.name.empty()) json["annotations"] = {{annotation_name, entry.name}};
    manifests.push_back(std::move(json));
  }
  const Json document = {{"schemaVersion", 2}, {"mediaType", media_index}, {"manifests", std::move(manifests)}};
  const std::string text = document.dump();
  if (text.size() > max_document) throw Error(fmt::format("'{}/index.json' would grow beyond 4 MiB", layout));
  remove_unfinished_files(layout);
  write_file_atomic(layout + "/index.json", text, true, 0644);
}

std::string read_verified(const std::string& layout, const Descriptor& descriptor, std::string_view what) {
  if (descriptor.size > max_document) throw InvalidInput(fmt::format("{} is larger than 4 MiB", what));
  std::string content = read_to_end(open_regular(blob_in(layout, descriptor.digest)).get(), what, max_document);
  if (content.size() != descriptor.size) {
    throw InvalidInput(fmt::format("{} has {} bytes instead of {}", what, content.size(), descriptor.size));
  }
  const std::string digest = digest_of(content, algorithm_of(descriptor.digest));
  if (digest != descriptor.digest) {
    throw InvalidInput(fmt::format("{}: the content's digest is {} instead of {}", what, digest, descriptor.digest));
  }
  return content;
}

Image read_image(const std::string& layout, const IndexEntry& entry) {
  return reading_document(fmt::format("image {}", entry.manifest.digest), [&] {
    Image image;
    image.name = entry.name;
    image.layout = layout;
    image.manifest = entry.manifest;
    const Json manifest = resolve_manifest(layout, image.manifest);
    const std::string what = fmt::format("manifest {}", image.manifest.digest);
    image.config = parse_descriptor(manifest.at("config"), what);
    for (const Json& layer : manifest.at("layers")) image.layers.push_back(parse_descriptor(layer, what));
    if (!is_image_config(image.config.media_type)) {
      image.artifact_type = manifest.value("artifactType", image.config.media_type);
      image.config_document = Json::object();
      return image;
    }
    const std::string config = fmt::format("image config {}", image.config.digest);
    image.config_document = read_json_blob(layout, image.config, config);
    image.diff_ids = image.config_document.at("rootfs").at("diff_ids").get<std::vector<std::string>>();
    for (const std::string& diff_id : image.diff_ids) require_digest(diff_id, config);
    if (image.diff_ids.size() != image.layers.size()) {
      throw InvalidInput(
          fmt::format("{} lists {} layers, its manifest {}", config, image.diff_ids.size(), image.layers.size()));
    }
    return image;
  });
}

std::vector<std::string> reachable_blobs(const std::string& layout, const Descriptor& manifest) {
  return reading_document(fmt::format("manifest {}", manifest.digest), [&] {
    std::vector<std::string> found;
    walk(layout, manifest, 0, found);
    return found;
  });
}

std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> chain;
  for (const std::string& diff_id : diff_ids) {
    chain.push_back(chain.empty() ? diff_id : sha256_digest(chain.back() + " " + diff_id));
  }
  return chain;
}

std::string host_architecture() {
  struct utsname names {};
  (void)::uname(&names);
  const std::string machine = names.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.starts_with("armv")) return "arm";
  if (machine == "i686" || machine == "i386") return "386";
  if (machine == "loongarch64") return "loong64";
  return machine;  // riscv64, s390x, ppc64le: the same word
}

Staged::~Staged() {
  try {
    userns::remove_tree_of_all_ids(path_);
  } catch (const std::exception&) {
    // the next garbage collection takes what could not be removed now
  }
}

}  // namespace sandbox::image
