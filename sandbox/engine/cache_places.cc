// See cache_places.h.
#include "sandbox/engine/cache_places.h"

#include <algorithm>
#include <optional>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/image/archive_reader.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/place.h"
#include "sandbox/image/registry.h"
#include "sandbox/image/registry_manifest.h"
#include "sandbox/image/registry_push.h"

namespace sandbox::engine {
namespace {

using Type = CachePlace::Type;

[[noreturn]] void refuse(std::string_view flag, std::string_view words, const std::string& reason) {
  throw UsageError(fmt::format("invalid argument \"{}\" for \"--{}\" flag: {}", words, flag, reason));
}

Type type_of(std::string_view flag, std::string_view words, std::string_view word) {
  if (word == "local") return Type::local;
  if (word == "registry") return Type::registry;
  if (word == "inline" && flag == "cache-to") return Type::in_image;
  if (word == "inline") refuse(flag, words, "a cache in an image is read with type=registry,ref=IMAGE");
  if (word == "gha" || word == "s3" || word == "azblob")
    throw Unsupported(fmt::format("cache type {} is not available", word), "local, registry and inline are known");
  refuse(flag, words, fmt::format("unknown cache type {}", word));
}

bool boolean(std::string_view flag, std::string_view words, const OptionField& field) {
  if (field.value == "true" || field.value == "1") return true;
  if (field.value != "false" && field.value != "0") refuse(flag, words, fmt::format("{} is true or false", field.key));
  return false;
}

/// BuildKit's options that say what is so here anyway; with another value they are refused.
bool is_given(const OptionField& field) {
  constexpr std::pair<std::string_view, std::string_view> kGiven[] = {
      {"oci-mediatypes", "true"}, {"image-manifest", "true"}, {"compression", "gzip"}, {"force-compression", "false"}};
  return std::ranges::any_of(kGiven,
                             [&](const auto& one) { return one.first == field.key && field.value == one.second; });
}

CachePlace parse(std::string_view flag, std::string_view words) {
  CachePlace place;
  const bool writing = flag == "cache-to";
  if (words.empty()) refuse(flag, words, "a place is missing");
  if (words.find('=') == std::string_view::npos && words.find(',') == std::string_view::npos) {
    place.place = words;
    return place;
  }
  bool typed = false;
  for (const OptionField& field : split_options(words)) {
    if (!field.value) refuse(flag, words, fmt::format("invalid value {}", field.key));
    const std::string value(*field.value);
    if (field.key == "type") {
      place.type = type_of(flag, words, value);
      typed = true;
    } else if (field.key == "ref" || field.key == (writing ? "dest" : "src")) {
      place.place = value;
    } else if (field.key == "tag" || (!writing && field.key == "digest")) {
      place.tag = value;
    } else if (writing && field.key == "mode" && (value == "min" || value == "max")) {
      place.all = value == "max";
    } else if (writing && field.key == "ignore-error") {
      place.may_fail = boolean(flag, words, field);
    } else if (!writing || !is_given(field)) {
      refuse(flag, words, fmt::format("'{}={}' is not supported", field.key, value));
    }
  }
  if (!typed) refuse(flag, words, "type required");
  if (place.type == Type::in_image ? !place.place.empty() || place.all : place.place.empty())
    refuse(flag, words,
           place.type == Type::registry ? "ref is required"
           : place.type == Type::local  ? (writing ? "dest is required" : "src is required")
                                        : "a cache in the image has no other place, and no mode=max");
  if (place.type == Type::registry) (void)image::parse_reference(place.place);
  return place;
}

}  // namespace

CachePlace parse_cache_from(std::string_view words) { return parse("cache-from", words); }
CachePlace parse_cache_to(std::string_view words) { return parse("cache-to", words); }

/// Documents and blobs that are checked against their digests.
class CacheSource {
 public:
  virtual ~CacheSource() = default;
  /// "" is what the place stands for.
  virtual std::string manifest(const std::string& digest) = 0;
  virtual void fetch(const image::Descriptor& blob) = 0;

  std::string name;
  image::CacheDocument cache;
};

namespace {

class DirectorySource : public CacheSource {
 public:
  DirectorySource(image::ImageStore& store, const CachePlace& from)
      : store_(store), layout_(from.place), tag_(from.tag) {}

  std::string manifest(const std::string& digest) override {
    for (const image::IndexEntry& entry : image::read_index(layout_)) {
      const bool wanted =
          digest.empty() ? entry.name == tag_ || entry.manifest.digest == tag_ : entry.manifest.digest == digest;
      if (wanted) return image::read_verified(layout_, entry.manifest, "a build cache's manifest");
    }
    throw NotFound(fmt::format("{} of '{}': not found", digest.empty() ? tag_ : digest, layout_));
  }
  void fetch(const image::Descriptor& blob) override { image::copy_blob(store_, layout_, blob.digest); }

 private:
  image::ImageStore& store_;
  std::string layout_, tag_;
};

class RegistrySource : public CacheSource {
 public:
  RegistrySource(image::ImageStore& store, const CachePlace& from)
      : store_(store), repository_(image::parse_reference(from.place)) {}

  std::string manifest(const std::string& digest) override { return repository_.manifest(digest); }
  void fetch(const image::Descriptor& blob) override { repository_.fetch(store_, blob); }

 private:
  image::ImageStore& store_;
  image::RemoteRepository repository_;
};

/// A small blob of the source.
std::string document(image::ImageStore& store, CacheSource& source, const image::Descriptor& blob) {
  if (blob.size > image::max_document) throw InvalidInput("a build cache's document is larger than 4 MiB");
  if (!store.has_blob(blob.digest)) source.fetch(blob);
  return image::read_verified(store.layout(), blob, "a build cache's document");
}

image::CacheDocument cache_of_image(image::ImageStore& store, CacheSource& source, const Json& manifest,
                                    const image::Descriptor& config) {
  image::Image image;
  image.config_document = parse_json(document(store, source, config), "an image's config");
  for (const Json& layer : manifest.at("layers")) image.layers.push_back(image::parse_descriptor(layer, "a layer"));
  image.config_document.at("rootfs").at("diff_ids").get_to(image.diff_ids);
  if (image.layers.size() != image.diff_ids.size()) throw InvalidInput("an image has as many layers as diff ids");
  return image::CacheDocument::of_image(image);
}

image::CacheDocument read_cache(image::ImageStore& store, CacheSource& source) {
  return image::reading_document("a build cache", [&] {
    Json top = parse_json(source.manifest(""), "a build cache's manifest");
    if (top.contains("manifests")) {
      for (const Json& entry : top.at("manifests")) {
        if (entry.value("mediaType", "") == image::media_cache_config)
          return image::CacheDocument::parse(document(store, source, image::parse_descriptor(entry, "a cache")));
      }
      const image::RegistryDocument index{true, "", top};
      const auto chosen = image::choose_manifest(index, image::parse_platform(""), source.name);
      top = parse_json(source.manifest(chosen.digest), "an image's manifest");
    }
    const image::Descriptor config = image::parse_descriptor(top.at("config"), "a manifest");
    if (config.media_type == image::media_cache_config)
      return image::CacheDocument::parse(document(store, source, config));
    return cache_of_image(store, source, top, config);
  });
}

/// The layers come into the store, and are what they are said to be.
void take_layers(image::ImageStore& store, CacheSource& source, const image::StepRecord& step) {
  for (std::size_t i = 0; i < step.layers.size(); ++i) {
    const image::Descriptor& layer = step.layers[i];
    if (store.has_blob(layer.digest)) continue;
    source.fetch(layer);
    const std::string& diff_id = step.diff_ids[i];
    const std::string found = image::uncompressed_digest(store.blob_path(layer.digest), algorithm_of(diff_id));
    if (found != diff_id) throw InvalidInput(fmt::format("layer {} holds {}, not {}", layer.digest, found, diff_id));
  }
}

}  // namespace

ImportedCaches::ImportedCaches(image::ImageStore& store, const std::vector<CachePlace>& places, Warn warn)
    : store_(store), warn_(std::move(warn)) {
  for (const CachePlace& from : places) {
    try {
      std::unique_ptr<CacheSource> source;
      if (from.type == Type::local)
        source = std::make_unique<DirectorySource>(store, from);
      else
        source = std::make_unique<RegistrySource>(store, from);
      source->name = from.place;
      source->cache = read_cache(store, *source);
      sources_.push_back(std::move(source));
    } catch (const Error& error) {
      warn_(fmt::format("the build cache {} can't be read: {}", from.place, error.what()));
    }
  }
}

ImportedCaches::~ImportedCaches() = default;

std::optional<image::StepRecord> ImportedCaches::find(const std::string& key) {
  for (const auto& source : sources_) {
    auto step = source->cache.find(key);
    if (!step) continue;
    try {
      take_layers(store_, *source, *step);
      return step;
    } catch (const Error& error) {
      warn_(fmt::format("the build cache {} is of no use: {}", source->name, error.what()));
    }
  }
  return {};
}

void export_cache(image::ImageStore& store, const CachePlace& to, const std::vector<image::StepRecord>& steps,
                  image::Progress& progress) {
  const image::CacheConfig cache = image::cache_config(steps);
  if (cache.layers.empty()) return progress.line("there is nothing to write into a build cache");
  const std::string config = cache.document.dump();
  Json layers = Json::array();
  for (const image::Descriptor& layer : cache.layers) layers.push_back(image::descriptor_json(layer));
  const image::Descriptor about{image::media_cache_config, store.write_blob(config), config.size()};
  const std::string manifest = Json{
      {"schemaVersion", 2},
      {"mediaType", image::media_manifest},
      {"config", image::descriptor_json(about)},
      {"layers",
       std::move(layers)}}.dump();
  const image::NamedManifest made{
      store.layout(), "", {image::media_manifest, store.write_blob(manifest), manifest.size()}};
  if (to.type == Type::local)
    image::save_to(made, {image::Place::Kind::oci, to.place, to.tag});
  else
    image::push(store, made, image::parse_reference(to.place), progress);
}

}  // namespace sandbox::engine
