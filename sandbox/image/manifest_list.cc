// See manifest_list.h. In the client's process; an index is a blob like others, so each change makes a new one.
#include "sandbox/image/manifest_list.h"

#include <algorithm>

#include "sandbox/image/layout.h"
#include "sandbox/image/registry_manifest.h"

namespace sandbox::image {
namespace {

constexpr const char* docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr const char* docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";

Json document_of(const NamedManifest& named) {
  const std::string what = fmt::format("manifest {}", named.manifest.digest);
  Json document = parse_json(manifest_text(named), what);
  return document.is_object() ? document : throw InvalidInput(what + " is not an object");
}

/// Of an image: its descriptor, and the platform from its config.
Json entry_of(const NamedManifest& named, const Json& document) {
  Json entry = descriptor_json(named.manifest);
  if (named.manifest.media_type.empty()) entry["mediaType"] = document.value("mediaType", media_manifest);
  const Descriptor config = parse_descriptor(document.at("config"), "the manifest's config");
  if (!is_image_config(config.media_type)) {
    entry["artifactType"] = document.value("artifactType", config.media_type);
    return entry;
  }
  const Json values = parse_json(read_verified(named.layout, config, "the image's config"), "the image's config");
  Json platform = Json::object();
  for (const char* key : {"architecture", "os", "os.version", "os.features", "variant"}) {
    if (values.contains(key)) platform[key] = values.at(key);
  }
  if (!platform.empty()) entry["platform"] = std::move(platform);
  return entry;
}

/// `index`: a document whose list is to be kept with all that it says.
Descriptor record_list(ImageStore& store, const Reference& name, Json index) {
  const Json& entries = index.at("manifests");
  const bool all_docker =
      std::ranges::all_of(entries, [](const Json& entry) { return entry.value("mediaType", "") == docker_manifest; });
  const bool annotated = index.contains("annotations") ||
                         std::ranges::any_of(entries, [](const Json& entry) { return entry.contains("annotations"); });
  // Docker's list has no annotations.
  const std::string type = all_docker && !entries.empty() && !annotated ? docker_list : media_index;
  index["schemaVersion"] = 2;
  index["mediaType"] = type;
  const std::string text = index.dump();
  if (text.size() > max_document)
    throw InvalidInput(fmt::format("the index '{}' would grow beyond 4 MiB", name.familiar()));
  const Descriptor recorded{type, store.write_blob(text), text.size()};
  store.record(recorded, name);
  return recorded;
}

/// The document of an index, whose entries are checked.
Json index_named(const ImageStore& store, const Reference& name) {
  const NamedManifest list = store.find_manifest(name);
  Json document = document_of(list);
  if (!document.contains("manifests")) throw InvalidInput(fmt::format("'{}' is no index of images", name.familiar()));
  document["manifests"] = list_entries(list);
  return document;
}

void add_annotations(Json& object, const std::map<std::string, std::string>& annotations) {
  for (const auto& [key, value] : annotations) object["annotations"][key] = value;
}

}  // namespace

NamedManifest find_manifest(const ImageStore& store, const std::string& reference) {
  if (const auto name = try_parse_reference(reference)) {
    try {
      return store.find_manifest(*name);
    } catch (const NotFound&) {
      // perhaps it is an id
    }
  }
  Image image = store.find(reference);
  return {std::move(image.layout), {}, std::move(image.manifest)};
}

std::string manifest_text(const NamedManifest& named) {
  return read_verified(named.layout, named.manifest, fmt::format("manifest {}", named.manifest.digest));
}

bool is_list(const NamedManifest& named) { return document_of(named).contains("manifests"); }

void remove_list(const Places& places, const Reference& name, const ListUsers& list_users) {
  prepare_store(places);
  const FileLock lock(store_lock(places));
  const std::string layout = own_layout(places);
  std::vector<IndexEntry> entries = read_index(layout);
  const auto entry = std::ranges::find(entries, name.canonical(), &IndexEntry::name);
  if (entry == entries.end()) throw NotFound(fmt::format("no such manifest list: '{}'", name.familiar()));
  if (!is_list({layout, entry->name, entry->manifest})) {
    throw InvalidInput(fmt::format("'{}' is no index of images", name.familiar()),
                       "an image is removed by 'sandbox rmi'");
  }
  const std::vector<ImageUser> users = list_users ? list_users() : std::vector<ImageUser>();
  const IndexEntry gone = std::move(*entry);
  entries.erase(entry);
  const auto reached = reachable_blobs(layout, gone.manifest);
  const bool in_use = std::ranges::any_of(users, [&](const ImageUser& user) {
    return std::ranges::find(reached, user.image_id) != reached.end();  // its id is its config's digest
  });
  if (in_use) put_entry(entries, gone.manifest, "");
  write_index(layout, entries);
  collect_garbage(places, entries, users);
}

Json list_entries(const NamedManifest& named) {
  const std::string what = fmt::format("manifest {}", named.manifest.digest);
  return reading_document(what, [&] {
    const Json document = document_of(named);
    if (!document.contains("manifests")) return Json::array({entry_of(named, document)});
    Json entries = document.at("manifests").get_ref<const Json::array_t&>();
    for (const Json& entry : entries) {
      (void)parse_descriptor(entry, what);
      (void)entry.value("platform", Json::object_t());
    }
    return entries;
  });
}

Descriptor create_list(ImageStore& store, const Reference& name, const std::vector<NamedManifest>& members,
                       bool amend) {
  const Staged work = store.stage();  // what is found present stays
  Json index = {{"manifests", Json::array()}};
  const auto known = store.names();
  if (std::ranges::any_of(known, [&](const NamedManifest& other) { return other.name == name.canonical(); })) {
    if (!amend)
      throw Conflict(
          fmt::format("refusing to amend an existing manifest list '{}' with no --amend flag", name.familiar()));
    index = index_named(store, name);
  }
  Json& entries = index["manifests"];
  for (const NamedManifest& member : members) {
    for (Json& entry : list_entries(member)) {
      const auto same = [&](const Json& other) { return other.at("digest") == entry.at("digest"); };
      std::erase_if(entries.get_ref<Json::array_t&>(), same);
      entries.push_back(std::move(entry));
    }
    for (const std::string& digest : reachable_blobs(member.layout, member.manifest))
      copy_blob(store, member.layout, digest);
  }
  return record_list(store, name, std::move(index));
}

Descriptor annotate_list(ImageStore& store, const Reference& name, const std::string& digest,
                         const PlatformWords& words) {
  const Staged work = store.stage();
  Json index = index_named(store, name);
  if (digest.empty()) {
    add_annotations(index, words.annotations);
    return record_list(store, name, std::move(index));
  }
  Json& entries = index["manifests"];
  const auto entry = std::ranges::find_if(entries, [&](const Json& one) { return one.at("digest") == digest; });
  if (entry == entries.end())
    throw NotFound(fmt::format("manifest {} is not in the index '{}'", digest, name.familiar()));
  const auto set = [&](const char* key, const std::optional<std::string>& word) {
    if (word) (*entry)["platform"][key] = *word;
  };
  set("os", words.os);
  set("architecture", words.architecture);
  set("variant", words.variant);
  set("os.version", words.os_version);
  if (!words.os_features.empty()) (*entry)["platform"]["os.features"] = words.os_features;
  add_annotations(*entry, words.annotations);
  return record_list(store, name, std::move(index));
}

}  // namespace sandbox::image
