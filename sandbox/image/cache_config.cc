// See cache_config.h.
#include "sandbox/image/cache_config.h"

#include <algorithm>

#include "sandbox/base/base64.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/json.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {
namespace {

constexpr const char* kOwnLayer = "sandboxOwnLayer";  // BuildKit has a record for what makes layers only
constexpr std::size_t kMostLayers = 100'000;

bool is_layer_type(const std::string& type) {
  const std::string oci = media_layer;
  return type == oci || type == oci + "+gzip" || type == oci + "+zstd" ||
         type == "application/vnd.docker.image.rootfs.diff.tar.gzip" ||
         type == "application/vnd.docker.image.rootfs.diff.tar";
}

Json record_of(const StepRecord& step, std::size_t layer) {
  return {{"digest", "sha256:" + step.key},
          {"layers", Json::array({{{"layer", layer}, {"createdAt", step.created}}})},
          {kOwnLayer, step.own_layer}};
}

}  // namespace

CacheConfig cache_config(const std::vector<StepRecord>& steps) {
  CacheConfig config;
  Json layers = Json::array(), records = Json::array();
  std::map<std::pair<std::string, int>, int> numbers;  // of a layer on top of another
  for (const StepRecord& step : steps) {
    int top = -1;
    for (std::size_t i = 0; i < step.layers.size(); ++i) {
      const Descriptor& layer = step.layers[i];
      const auto [found, is_new] = numbers.try_emplace({layer.digest, top}, static_cast<int>(layers.size()));
      if (is_new) {
        layers.push_back({{"blob", layer.digest},
                          {"parent", top},
                          {"annotations",
                           {{"mediaType", layer.media_type},
                            {"diffID", step.diff_ids[i]},
                            {"size", layer.size},
                            {"createdAt", step.created}}}});
        const auto same = [&](const Descriptor& other) { return other.digest == layer.digest; };
        if (std::ranges::none_of(config.layers, same)) config.layers.push_back(layer);
      }
      top = found->second;
    }
    if (top >= 0) records.push_back(record_of(step, static_cast<std::size_t>(top)));
  }
  config.document = {{"layers", std::move(layers)}, {"records", std::move(records)}};
  return config;
}

std::string inline_cache(const std::vector<StepRecord>& steps, const std::vector<std::string>& diff_ids) {
  Json records = Json::array();
  for (const StepRecord& step : steps) {
    const bool begins = !step.diff_ids.empty() && step.diff_ids.size() <= diff_ids.size() &&
                        std::ranges::equal(step.diff_ids, std::span(diff_ids).first(step.diff_ids.size()));
    if (begins) records.push_back(record_of(step, step.diff_ids.size() - 1));
  }
  return records.empty() ? "" : base64(Json{{"records", std::move(records)}}.dump());
}

CacheDocument CacheDocument::parse(std::string_view text) {
  return reading_document("a build cache", [&] {
    CacheDocument cache;
    const Json document = parse_json(text, "a build cache");
    if (!document.is_object()) throw InvalidInput("a build cache is not an object");
    const Json layers = document.value("layers", Json::array());
    if (layers.size() > kMostLayers) throw InvalidInput("a build cache names too many layers");
    for (const Json& json : layers) {
      const Json about = json.value("annotations", Json::object());
      Layer layer{{about.value("mediaType", ""), json.at("blob"), about.value("size", std::uint64_t{0})},
                  about.value("diffID", ""),
                  json.value("parent", -1)};
      const auto count = static_cast<int>(layers.size());
      if (!is_valid_digest(layer.blob.digest) || layer.parent < -1 || layer.parent >= count)
        throw InvalidInput("a layer of a build cache is malformed");
      cache.layers_.push_back(std::move(layer));
    }
    cache.read(document);
    return cache;
  });
}

CacheDocument CacheDocument::of_image(const Image& image) {
  return reading_document("the build cache of an image", [&] {
    CacheDocument cache;
    if (!image.config_document.contains(inline_cache_member)) return cache;
    const auto text = from_base64(image.config_document.at(inline_cache_member).get<std::string>());
    if (!text) throw InvalidInput("the build cache of an image is no base64");
    for (std::size_t i = 0; i < image.layers.size(); ++i)
      cache.layers_.push_back({image.layers[i], image.diff_ids.at(i), static_cast<int>(i) - 1});
    const Json document = parse_json(*text, "the build cache of an image");
    if (!document.is_object()) throw InvalidInput("the build cache of an image is not an object");
    cache.read(document);
    return cache;
  });
}

void CacheDocument::read(const Json& document) {
  for (const Json& record : document.value("records", Json::array())) {
    const std::string digest = record.value("digest", "");
    const Json results = record.value("layers", Json::array());
    if (!is_valid_digest(digest) || results.empty()) continue;  // of a kind that no step of ours has
    const Json& number = results.at(0).at("layer");
    if (!number.is_number_unsigned() || number.get<std::uint64_t>() >= layers_.size())
      throw InvalidInput("a record of a build cache names a layer that it doesn't have");
    results_.try_emplace(
        std::string(hex_of(digest)),
        Result{number.get<std::size_t>(), results.at(0).value("createdAt", ""), record.value(kOwnLayer, true)});
  }
}

std::optional<StepRecord> CacheDocument::find(const std::string& key) const {
  const auto result = results_.find(key);
  if (result == results_.end()) return {};
  StepRecord record{key, "", result->second.created, {}, {}, result->second.own_layer};
  for (int at = static_cast<int>(result->second.layer); at >= 0;) {
    const Layer& layer = layers_[static_cast<std::size_t>(at)];
    const bool loops = record.layers.size() >= layers_.size();
    if (loops || !is_layer_type(layer.blob.media_type) || !is_valid_digest(layer.diff_id)) return {};
    record.layers.push_back(layer.blob);
    record.diff_ids.push_back(layer.diff_id);
    at = layer.parent;
  }
  std::ranges::reverse(record.layers);
  std::ranges::reverse(record.diff_ids);
  return record;
}

}  // namespace sandbox::image
