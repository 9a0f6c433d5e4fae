// Registry client: distribution-spec pull over libcurl (loaded when first needed).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "sandbox/image/image_store.h"
#include "sandbox/image/progress.h"

namespace sandbox::image {

class Unpacking;

struct PullOptions {
  std::string platform;  ///< "linux/amd64"; empty: this host's.
  Progress* progress = nullptr;  ///< Borrowed; none: silence.
  /// Starts to unpack the layers of a new image while their blobs come into the files `arriving`, by digest. Without
  /// this function they are not unpacked.
  std::function<std::unique_ptr<Unpacking>(const Image& image, const std::map<std::string, std::string>& arriving)>
      unpack = {};
};

/// Fetches manifest, config and missing layers, several at once, verifies every digest and size while streaming,
/// unpacks meanwhile, records the name. Returns the manifest digest. Mirrors are asked before the registry itself
/// (registries_conf.h). Throws NotFound, Error.
std::string pull(ImageStore& store, const Reference& reference, const PullOptions& options);

/// The same for a name as the user wrote it: of what a short one may stand for, the first that there is. Returns what
/// was pulled. Throws Conflict, too, where registries.conf or policy.json forbids it.
Reference pull_name(ImageStore& store, const std::string& text, const PullOptions& options);

/// The same with every tag that the registry has of a repository, whose canonical name is returned.
std::string pull_all_tags(ImageStore& store, const std::string& text, const PullOptions& options);

/// The manifest or index that the registry has under the name `text`, as it is. Throws as pull_name() does.
std::string fetch_manifest(const std::string& text);

/// The index of what refers to it (registry_referrers.h).
Json fetch_referrers(const std::string& text, const std::string& artifact_type);

class RegistryClient;

/// A repository of a registry, for what need not be an image.
class RemoteRepository {
 public:
  /// Throws where policy.json forbids it.
  explicit RemoteRepository(Reference reference);
  ~RemoteRepository();

  /// A manifest or index by its digest, checked; "": the reference's. Throws NotFound.
  std::string manifest(const std::string& digest);
  /// Into the store, once its digest and size are right. Throws NotFound, InvalidInput.
  void fetch(ImageStore& store, const Descriptor& blob);

 private:
  Reference reference_;
  std::unique_ptr<RegistryClient> client_;
};

}  // namespace sandbox::image
