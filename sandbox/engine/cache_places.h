// `build --cache-from` and `--cache-to`: results of steps from elsewhere, and to there. Runs in the client.
//
// What comes from there is a stranger's: layers are taken as far as their digests are true. Whoever may write to a
// cache can say what a step comes to, though, as with every builder.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/image/cache_config.h"
#include "sandbox/image/progress.h"

namespace sandbox::engine {

struct CachePlace {
  enum class Type { local, registry, in_image } type = Type::registry;
  std::string place;           ///< A directory, or an image's name.
  std::string tag = "latest";  ///< In a directory; for reading, a digest may be said instead.
  bool all = false;            ///< mode=max: also of steps that are not in the image.
  bool may_fail = false;       ///< ignore-error=true
};

/// "type=registry,ref=…", "type=local,src=…", or an image's name. Pure. Throws UsageError, Unsupported.
CachePlace parse_cache_from(std::string_view words);
/// "type=registry,ref=…[,mode=max]", "type=local,dest=…", "type=inline". The same.
CachePlace parse_cache_to(std::string_view words);

class CacheSource;

/// Caches to read from. What can't be had is no cache; `warn` hears of it.
class ImportedCaches {
 public:
  using Warn = std::function<void(const std::string& line)>;
  ImportedCaches(image::ImageStore& store, const std::vector<CachePlace>& places, Warn warn);
  ~ImportedCaches();

  /// What a step came to; its layers are in the store then. Precondition: the caller holds a staging area.
  std::optional<image::StepRecord> find(const std::string& key);

 private:
  image::ImageStore& store_;
  Warn warn_;
  std::vector<std::unique_ptr<CacheSource>> sources_;
};

/// Precondition: not in_image; the layers are in the store, and the caller holds a staging area.
void export_cache(image::ImageStore& store, const CachePlace& to, const std::vector<image::StepRecord>& steps,
                  image::Progress& progress);

}  // namespace sandbox::engine
