// Results of build steps as BuildKit's caches carry them: "application/vnd.buildkit.cacheconfig.v0", a document that
// names layers and, for each step's key, the layer on top of its result (cache/remotecache/v1 of BuildKit); and the
// same without layers in an image's config, "moby.buildkit.cache.v0". Keys are the program's own: what other builders
// have exported is read, and matches no step. Pure; the documents are a stranger's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/image/step_records.h"

namespace sandbox::image {

inline constexpr const char* media_cache_config = "application/vnd.buildkit.cacheconfig.v0";
inline constexpr const char* inline_cache_member = "moby.buildkit.cache.v0";

/// The document for these steps, and the layers that it names, each once, in its order.
struct CacheConfig {
  Json document;
  std::vector<Descriptor> layers;
};
CacheConfig cache_config(const std::vector<StepRecord>& steps);

/// The value for an image's config: those steps whose layers the image begins with. Empty: there are none.
std::string inline_cache(const std::vector<StepRecord>& steps, const std::vector<std::string>& diff_ids);

/// Such a document, read.
class CacheDocument {
 public:
  /// Throws InvalidInput.
  static CacheDocument parse(std::string_view text);
  /// Of an image's config; nothing when it has none. Throws InvalidInput.
  static CacheDocument of_image(const Image& image);

  /// Layers with digests that are digests; whether they are true shows when they are fetched. Without inputs.
  std::optional<StepRecord> find(const std::string& key) const;

 private:
  struct Layer {
    Descriptor blob;
    std::string diff_id;
    int parent = -1;  ///< Of the layers; -1: none.
  };
  struct Result {
    std::size_t layer = 0;  ///< The one on top.
    std::string created;
    bool own_layer = true;
  };
  void read(const Json& document);

  std::vector<Layer> layers_;
  std::map<std::string, Result> results_;  ///< By key.
};

}  // namespace sandbox::image
