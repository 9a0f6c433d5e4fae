// `load`: images from docker-archives, oci-archives and OCI layouts, in the caller's process.
//
// Members are extracted into a staging directory in tmp/ (a layout's files are copied there); a complete, checked OCI
// layout is put together there. Only when every digest has been verified do the blobs move into the store and the names
// into index.json, under its lock.
#include <algorithm>
#include <set>

#include "sandbox/base/digest.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/archive_reader.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/parallel.h"
#include "sandbox/image/policy.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kAtOnce = 4;  // layers that are inflated; each has a thread that reads, too

using Members = std::map<std::string, Member>;

struct Loaded {
  Image image;
  Descriptor manifest;             ///< Of the image, or of an index that it is in.
  std::vector<std::string> names;  ///< Canonical; none: untagged.
  std::string annotation = {};     ///< The name that a layout's index has for it.
};

const Member& member_of(const Members& members, std::string name) {
  while (name.starts_with("./")) name.erase(0, 2);
  const auto found = members.find(name);
  if (found == members.end())
    throw InvalidInput(fmt::format("the archive has no regular file '{}'", name.substr(0, 200)));
  return found->second;
}

Json document_of(const Members& members, const std::string& name) {
  return parse_json(read_file(member_of(members, name).path, max_document), name);
}

/// Puts a file into the staged layout under its digest. A hard link: two images may share the member.
void stage_blob(const std::string& layout, const std::string& path, const std::string& digest) {
  const std::string target = blob_in(layout, digest);
  if (path_exists(target)) return;
  sys::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str()) | or_throw("staging '{}'", digest);
}

std::string stage_content(const std::string& layout, const std::string& content) {
  const std::string digest = sha256_digest(content);
  write_file_atomic(blob_in(layout, digest), content, false, 0644);
  return digest;
}

void check_promised_digest(const std::string& name, const Member& member) {
  const std::string promised = promised_digest(name);
  if (!promised.empty() && promised != member.digest) {
    throw InvalidInput(fmt::format("the archive's '{}' has digest {}", name, member.digest));
  }
}

/// Stages a docker-archive's layer as a plain tar whose digest is its diff id.
Descriptor stage_docker_layer(const std::string& layout, const Member& member, const std::string& diff_id) {
  require_digest(diff_id, "a diff id");
  const std::string target = blob_in(layout, diff_id);
  if (member.digest == diff_id) {
    stage_blob(layout, member.path, diff_id);
  } else if (!path_exists(target)) {
    const std::string digest = uncompressed_digest(member.path, algorithm_of(diff_id), target);
    if (digest != diff_id) throw InvalidInput(fmt::format("a layer has diff id {} instead of {}", digest, diff_id));
  }
  const auto status = sys::fstatat(AT_FDCWD, target.c_str(), 0) | or_throw("reading the size of '{}'", target);
  return {media_layer, diff_id, static_cast<std::uint64_t>(status.st_size)};
}

Loaded stage_docker_image(const std::string& layout, const Members& members, const Json& entry) {
  const std::string config_name = entry.at("Config").get<std::string>();
  const Member& config = member_of(members, config_name);
  check_promised_digest(config_name, config);
  const Json document = document_of(members, config_name);
  const auto diff_ids = document.at("rootfs").at("diff_ids").get<std::vector<std::string>>();
  const auto layer_names = entry.at("Layers").is_null() ? std::vector<std::string>()
                                                        : entry.at("Layers").get<std::vector<std::string>>();
  if (diff_ids.size() != layer_names.size()) {
    throw InvalidInput(
        fmt::format("'{}' lists {} layers, manifest.json {}", config_name, diff_ids.size(), layer_names.size()));
  }
  stage_blob(layout, config.path, config.digest);
  Json layers = Json::array();
  for (std::size_t i = 0; i < diff_ids.size(); ++i) {
    layers.push_back(descriptor_json(stage_docker_layer(layout, member_of(members, layer_names[i]), diff_ids[i])));
  }
  const Json manifest = {{"schemaVersion", 2}, {"mediaType", media_manifest}, {"layers", std::move(layers)},
                         {"config", descriptor_json({media_config, config.digest, config.size})}};
  const std::string text = manifest.dump();
  const std::string digest = stage_content(layout, text);
  const Descriptor described{media_manifest, digest, text.size()};
  Loaded loaded{read_image(layout, {"", described}), described, {}};
  const Json tags = entry.value("RepoTags", Json());
  if (!tags.is_null()) {
    for (const Json& tag : tags) loaded.names.push_back(parse_reference(tag.get<std::string>()).canonical());
  }
  return loaded;
}

std::vector<Loaded> stage_docker_archive(const std::string& layout, const Members& members) {
  return reading_document("manifest.json", [&] {
    std::vector<Loaded> all;
    const Json document = document_of(members, "manifest.json");
    if (!document.is_array()) throw InvalidInput("manifest.json is not an array");
    for (const Json& entry : document) all.push_back(stage_docker_image(layout, members, entry));
    return all;
  });
}

/// Layers, by digest and diff id, that are what they should be: images share some.
using Verified = std::set<std::pair<std::string, std::string>>;

/// Every layer is present, has its size, and uncompresses to its diff id.
void verify_layers(const Image& image, Verified& verified) {
  Verified open;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const Descriptor& layer = image.layers[i];
    const auto status = sys::fstatat(AT_FDCWD, blob_in(image.layout, layer.digest).c_str(), 0);
    if (!status) throw InvalidInput(fmt::format("the archive lacks layer {}", layer.digest));
    if (static_cast<std::uint64_t>(status->st_size) != layer.size) {
      throw InvalidInput(fmt::format("layer {} has {} bytes instead of {}", layer.digest, status->st_size, layer.size));
    }
    if (!image.artifact_type.empty() || layer.digest == image.diff_ids[i]) continue;
    if (std::pair pair(layer.digest, image.diff_ids[i]); !verified.contains(pair)) open.insert(std::move(pair));
  }
  const std::vector<Verified::value_type> list(open.begin(), open.end());
  in_parallel(list.size(), kAtOnce, [&](std::size_t number, const std::stop_token&) {
    const auto& [layer, diff_id] = list[number];
    const std::string digest = uncompressed_digest(blob_in(image.layout, layer), algorithm_of(diff_id));
    if (digest != diff_id)
      throw InvalidInput(fmt::format("layer {} has diff id {} instead of {}", layer, digest, diff_id));
  });
  verified.merge(open);
}

/// Whether everything that `manifest` names is there. Of an index some saved only the part of one machine.
bool is_whole(const std::string& layout, const Descriptor& manifest, int depth) {
  const std::string what = fmt::format("manifest {}", manifest.digest);
  if (depth > 4 || !path_exists(blob_in(layout, manifest.digest))) return false;
  const Json document = parse_json(read_verified(layout, manifest, what), what);
  const Json children = document.value("manifests", Json::array());
  return std::ranges::all_of(
             children, [&](const Json& child) { return is_whole(layout, parse_descriptor(child, what), depth + 1); }) &&
         std::ranges::all_of(reachable_blobs(layout, manifest),
                             [&](const auto& digest) { return path_exists(blob_in(layout, digest)); });
}

/// The names that the docker-archive within an OCI layout has for images, by their configs' digests; a layout has tags
/// without repositories.
std::map<std::string, std::vector<std::string>> docker_names(const Members& members) {
  std::map<std::string, std::vector<std::string>> names;
  if (!members.contains("manifest.json")) return names;
  reading_document("manifest.json", [&] {
    for (const Json& entry : document_of(members, "manifest.json")) {
      const Json tags = entry.value("RepoTags", Json());
      if (tags.is_null()) continue;
      auto& list = names[member_of(members, entry.at("Config").get<std::string>()).digest];
      for (const Json& tag : tags) list.push_back(parse_reference(tag.get<std::string>()).canonical());
    }
  });
  return names;
}

/// The members below blobs/, each of which has the digest that its name says.
void stage_blobs(const std::string& layout, const Members& members) {
  for (const auto& [name, member] : members) {
    if (digest_of_blob(name).empty()) continue;
    check_promised_digest(name, member);
    stage_blob(layout, member.path, member.digest);
  }
}

/// A directory as skopeo writes it: one image, without a name.
std::vector<Loaded> stage_directory(const std::string& layout, const Members& members) {
  return reading_document("manifest.json", [&] {
    stage_blobs(layout, members);
    const std::string text = read_file(member_of(members, "manifest.json").path, max_document);
    const std::string type = parse_json(text, "manifest.json").value("mediaType", media_manifest);
    const Descriptor described{type, stage_content(layout, text), text.size()};
    Loaded loaded{read_image(layout, {"", described}), described, {}};
    Verified verified;
    verify_layers(loaded.image, verified);
    return std::vector{std::move(loaded)};
  });
}

std::vector<Loaded> stage_oci_archive(const std::string& layout, const Members& members, const std::string& only) {
  stage_blobs(layout, members);
  const std::map<std::string, std::vector<std::string>> docker = docker_names(members);
  return reading_document("index.json", [&] {
    std::vector<Loaded> all;
    Verified verified;
    const Json document = document_of(members, "index.json");
    const Json& entries = document.at("manifests");
    const auto is_named = [&](const Json& entry) { return layout_names(entry, only); };
    const bool listed = !only.empty() && std::ranges::any_of(entries, is_named);
    for (const Json& entry : entries) {
      if (listed && !is_named(entry)) continue;
      const Descriptor described = parse_descriptor(entry, "index.json");
      Loaded loaded{read_image(layout, {"", described}), described, {}};
      verify_layers(loaded.image, verified);
      if (!is_whole(layout, described, 0)) loaded.manifest = loaded.image.manifest;
      const Json annotations = entry.value("annotations", Json::object());
      std::string name = annotations.value(annotation_containerd, "");
      loaded.annotation = annotations.value(annotation_name, "");
      const auto tags = docker.find(loaded.image.config.digest);
      if (name.empty() && tags != docker.end()) {
        loaded.names = tags->second;
      } else if (name.empty()) {
        name = loaded.annotation;
      }
      if (!name.empty()) loaded.names.push_back(parse_reference(name).canonical());
      all.push_back(std::move(loaded));
    }
    return all;
  });
}

/// Leaves no others than of the name: a layout's own one, or a reference that the archive has.
void choose(std::vector<Loaded>& all, const std::string& only) {
  const auto name = try_parse_reference(only);
  std::erase_if(all, [&](const Loaded& loaded) {
    const bool listed = name && std::ranges::find(loaded.names, name->canonical()) != loaded.names.end();
    return loaded.annotation != only && !listed;
  });
  if (all.empty()) throw NotFound(fmt::format("the archive holds no image '{}'", only));
}

void publish(const Places& places, ImageStore& store, const std::vector<Loaded>& all) {
  prepare_store(places);
  const std::string target = own_layout(places);
  const FileLock lock(store_lock(places));
  std::vector<IndexEntry> entries = read_index(target);
  for (const Loaded& loaded : all) {
    for (const std::string& digest : reachable_blobs(loaded.image.layout, loaded.manifest)) {
      const std::string staged = blob_in(loaded.image.layout, digest);
      if (path_exists(staged)) store.adopt_blob(staged, digest);
    }
    for (const std::string& name : loaded.names) put_entry(entries, loaded.manifest, name);
    if (loaded.names.empty()) put_entry(entries, loaded.manifest, "");
  }
  sync_blobs(target);
  write_index(target, entries);
}

}  // namespace

std::vector<std::string> ImageStore::load(int archive_fd, const std::string& only) {
  prepare_store(places_);
  const Staged staging = stage();
  const std::string files = staging.path() + "/files", layout = staging.path() + "/layout";
  make_directories(files);
  for (const DigestAlgorithm algorithm : kDigestAlgorithms)
    make_directories(fmt::format("{}/blobs/{}", layout, name_of(algorithm)));
  const auto status = sys::fstat(archive_fd) | or_throw("looking at the archive");
  const bool directory = S_ISDIR(status.st_mode);
  const Members members = directory ? copy_layout(archive_fd, files, only) : extract_members(archive_fd, files);
  const bool is_oci = members.contains("oci-layout") && members.contains("index.json");
  require_accepted(is_oci ? directory ? "oci" : "oci-archive" : directory ? "dir" : "docker-archive", "");
  std::vector<Loaded> all;
  // Where an archive is both, the layout has the manifests, and with them the digests.
  if (is_oci) {
    all = stage_oci_archive(layout, members, only);
  } else if (members.contains("manifest.json")) {
    all = directory ? stage_directory(layout, members) : stage_docker_archive(layout, members);
  } else {
    throw InvalidInput("the archive holds neither manifest.json (docker-archive) nor oci-layout (oci-archive)");
  }
  if (all.empty()) throw InvalidInput("the archive holds no image");
  if (!only.empty()) choose(all, only);
  publish(places_, *this, all);
  std::vector<std::string> names;
  for (const Loaded& loaded : all) {
    for (const std::string& name : loaded.names) names.push_back(parse_reference(name).familiar());
    if (loaded.names.empty()) names.push_back(loaded.image.id());
    tell("load", loaded.image.id(), names.back());
  }
  return names;
}

}  // namespace sandbox::image
