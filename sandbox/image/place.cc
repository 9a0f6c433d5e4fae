// See place.h. In the client's process. Blobs are on the disk before the document that names them is.
#include "sandbox/image/place.h"

#include <errno.h>
#include <sys/file.h>

#include <algorithm>
#include <array>

#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/output_file.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/archive_save.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {
namespace {

struct Prefix {
  std::string_view text;
  Place::Kind kind;
};
constexpr std::array<Prefix, 4> kPrefixes = {
    Prefix{"oci:", Place::Kind::oci}, Prefix{"oci-archive:", Place::Kind::oci_archive},
    Prefix{"docker-archive:", Place::Kind::docker_archive}, Prefix{"dir:", Place::Kind::dir}};

/// The blob has the name `target`, whole and on the disk. `directory`: for the file that is unfinished.
void export_blob(const std::string& from, const std::string& digest, const std::string& directory,
                 const std::string& target) {
  if (path_exists(target)) return;
  make_directories(target.substr(0, target.rfind('/')));
  const std::string unfinished = fmt::format("{}/{}.tmp", directory, random_hex(16));
  const Staged staged(unfinished);
  copy_verified(blob_in(from, digest), unfinished, digest);
  sys::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, target.c_str()) | or_throw("naming '{}'", target);
}

/// Held by who changes what is in there.
Fd locked_directory(const std::string& path) {
  Fd directory = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
  if (::flock(directory.get(), LOCK_EX) != 0) throw SysError(Errno{errno}, fmt::format("locking '{}'", path));
  return directory;
}

void save_to_layout(const NamedManifest& image, const Place& place) {
  make_directories(place.path + "/blobs/sha256");
  const Fd lock = locked_directory(place.path);
  for (const std::string& digest : reachable_blobs(image.layout, image.manifest))
    export_blob(image.layout, digest, place.path, blob_in(place.path, digest));
  sync_blobs(place.path);
  const std::string marker = place.path + "/oci-layout";
  if (!path_exists(marker)) write_file_atomic(marker, R"({"imageLayoutVersion":"1.0.0"})", true, 0644);
  // As it was written by others: their annotations stay.
  const std::string file = place.path + "/index.json";
  Json index = {{"schemaVersion", 2}, {"mediaType", media_index}, {"manifests", Json::array()}};
  if (path_exists(file)) index = parse_json(read_file(file, max_document), file);
  reading_document(file, [&] {
    Json& manifests = index.at("manifests");
    const auto replaced = [&](const Json& entry) {
      return !place.name.empty() && entry.value("annotations", Json::object()).value(annotation_name, "") == place.name;
    };
    std::erase_if(manifests.get_ref<Json::array_t&>(), replaced);
    Json entry = descriptor_json(image.manifest);
    if (!place.name.empty()) entry["annotations"] = {{annotation_name, place.name}};
    manifests.push_back(std::move(entry));
  });
  write_file_atomic(file, index.dump(), true, 0644);
}

/// As skopeo's "dir:" (containers-transports(5)): blobs by their hexadecimal digests, manifest.json, and a version.
void save_to_directory(const NamedManifest& named, const std::string& path) {
  const Image image = read_image(named.layout, {named.name, named.manifest});
  const std::string version = path + "/version", manifest = path + "/manifest.json";
  make_directories(path);
  const Fd lock = locked_directory(path);
  if (!path_exists(version)) {
    if (!list_directory(path).empty()) throw Conflict(fmt::format("'{}' is not empty and holds no image", path));
    write_file_atomic(version, "Directory Transport Version: 1.1\n", true, 0644);
  }
  for (const std::string& digest : reachable_blobs(image.layout, image.manifest)) {
    if (digest == image.manifest.digest) continue;
    export_blob(image.layout, digest, path, fmt::format("{}/{}", path, hex_of(digest)));
  }
  write_file_atomic(manifest, read_verified(image.layout, image.manifest, "the manifest"), true, 0644);
}

}  // namespace

std::optional<Place> parse_place(std::string_view text) {
  if (text.starts_with("docker://")) return Place{Place::Kind::registry, {}, std::string(text.substr(9))};
  for (const Prefix& prefix : kPrefixes) {
    if (!text.starts_with(prefix.text)) continue;
    const std::string_view rest = text.substr(prefix.text.size());
    const auto colon = prefix.kind == Place::Kind::dir ? rest.npos : rest.find(':');
    // A port can't be meant: "oci:5000/x" would be a registry without a dot, which Docker takes for a user's name.
    Place place{prefix.kind, std::string(rest.substr(0, colon)),
                std::string(colon == rest.npos ? "" : rest.substr(colon + 1))};
    if (place.path.empty()) throw UsageError(fmt::format("'{}' names no path", text));
    return place;
  }
  return std::nullopt;
}

std::vector<std::string> load_from(ImageStore& store, const Place& place) {
  const Fd file = sys::openat(AT_FDCWD, place.path.c_str(), O_RDONLY) | or_throw("opening '{}'", place.path);
  return store.load(file.get(), place.name);
}

void save_to(const NamedManifest& image, const Place& place) {
  if (place.kind == Place::Kind::oci) return save_to_layout(image, place);
  if (place.kind == Place::Kind::dir) return save_to_directory(image, place.path);
  NamedManifest named = image;
  if (!place.name.empty()) named.name = parse_reference(place.name).canonical();
  OutputFile file(place.path);
  save({named}, file.fd(), overlay::Compression::none);
  file.finish();
}

}  // namespace sandbox::image
