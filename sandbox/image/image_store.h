// Images on disk: `<store>/images` is an OCI image layout; `<store>/layers/<chain-id hex>/fs` the unpacked layers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/digest.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/places.h"
#include "sandbox/image/reference.h"
#include "userns/kept_namespace.h"

namespace sandbox::image {

class Staged;
class StagingArea;

struct Descriptor {
  std::string media_type, digest;
  std::uint64_t size = 0;
};

struct Image {
  std::string name;  ///< "docker.io/library/busybox:latest"; empty when untagged
  Descriptor manifest, config;
  std::vector<Descriptor> layers;
  std::vector<std::string> diff_ids;
  Json config_document;  ///< image-spec config.md: .config.Env, .Cmd, .Entrypoint, .User, .WorkingDir …
  std::string layout;    ///< Directory of the OCI layout that holds it.
  /// Of an artifact, which is stored and copied, but is no container image and has no diff ids (image-spec manifest.md,
  /// "Guidelines for Artifact Usage"). Empty otherwise.
  std::string artifact_type;
  std::string id() const { return artifact_type.empty() ? config.digest : manifest.digest; }
};

/// One line of a layout's index: a manifest, an image's or an index of several, and its name.
struct NamedManifest {
  std::string layout;  ///< Directory of the OCI layout that holds it.
  std::string name;    ///< Canonical; empty when untagged.
  Descriptor manifest;
};

/// A container, or a mount, as this room needs to know it: what must not be taken away from under it.
struct ImageUser {
  std::string name;  ///< As shown in a refusal.
  std::string image_id;
  bool running = false;
  std::vector<std::string> layers;  ///< The directories that ensure_unpacked() gave.
  std::string mount = {};           ///< No container: the image's files are mounted there.
};

/// Whether the directory `path` has the files of an unpacked layer, by its name in a store.
bool is_layer(std::string_view path);

/// A layer that has been written as a gzip file.
struct PackedLayer {
  std::string diff_id, digest;
  std::uint64_t size = 0;
  bool empty = false;  ///< It changes nothing.
};

using ListUsers = std::function<std::vector<ImageUser>()>;

struct Pruned {
  std::vector<std::string> lines;  ///< "untagged: busybox:latest", "deleted: sha256:…"
  std::uint64_t bytes = 0;         ///< Free now.
};

/// Bytes on the disk: of blobs, and of unpacked layers as their meta.json says.
struct ImageUsage {
  Image image;
  std::uint64_t bytes = 0;               ///< As ImageStore::sizes() counts them.
  std::uint64_t shared = 0, unique = 0;  ///< Of the own store: with other images, or by it alone.
  std::size_t containers = 0;
};
struct StoreUsage {
  std::vector<ImageUsage> images;
  std::uint64_t total = 0;        ///< But for the next line.
  std::uint64_t cached = 0;       ///< Of layers that only records of builds keep.
  std::size_t steps = 0;          ///< Such records.
  std::uint64_t reclaimable = 0;  ///< What no image of a container needs.
};

struct ImportOptions {
  Json config = Json::object();  ///< The member "config" of the image's.
  std::string comment = "imported", platform;  ///< Empty platform: this machine's.
};

struct CheckOptions {
  bool full = false;  ///< Also compare what unpacked files hold with their layers' archives.
  bool repair = false;
  const userns::KeptNamespace* range = nullptr;  ///< Without, layers with other owners are looked at from outside only.
};
struct Finding {
  std::string object, problem;
  std::string repaired;  ///< What was done about it; empty: nothing.
};

/// Why unpacked layers of the read-only store `store` are not used where they are, but unpacked anew; empty: nothing
/// there speaks against it.
std::string foreign_layers(const std::string& store);

class ImageStore {
 public:
  explicit ImageStore(const Places& places);

  /// By name, id, or unique id prefix; own store first, then the additional ones. Throws NotFound.
  Image find(const std::string& reference) const;
  std::vector<Image> list() const;
  /// What the indexes name; a name in several stores is the first one's.
  std::vector<NamedManifest> names() const;
  /// What exactly has this name. Throws NotFound.
  NamedManifest find_manifest(const Reference& name) const;
  void tag(const Image& image, const Reference& name);
  /// Records that something has happened to an image, for `events`. `name`: the familiar one, empty when it has none.
  void tell(const char* action, const std::string& id, const std::string& name) const;
  /// Removes one name, and blobs and layers that nothing reaches any more; all names of an id with `force`. Returns
  /// lines for the user ("Untagged: busybox:latest", "Deleted: sha256:…"). Throws Conflict for read-only stores, and
  /// as Docker does for images in use; `users` is asked under the store's lock.
  std::vector<std::string> remove(const std::string& reference, bool force, const ListUsers& users = {});

  /// Removes images without a name, or with `all` every image, that no container is of; and what nothing reaches. A
  /// full disk is no obstacle.
  Pruned prune(bool all, const ListUsers& users);

  /// Bytes that each of `images` takes on the disk, wherever it is: of its blobs, and of layers that are unpacked.
  std::vector<std::uint64_t> sizes(const std::vector<Image>& images) const;

  /// What the own store holds. Takes no lock.
  StoreUsage usage(const std::vector<ImageUser>& users) const;

  /// Everything of the own store that is not as it should be. With `repair` all that can be is repaired, and the rest
  /// is out of the way of other objects.
  std::vector<Finding> check(const CheckOptions& options);

  /// Directories for RootPlan::lower, top-most first; unpacks what is missing, several layers at once (staging, syncfs,
  /// rename). With `range`
  /// files have their true owners on disk, without they are the user's and meta.json records the owners.
  std::vector<std::string> ensure_unpacked(const Image& image, const userns::KeptNamespace* range);

  /// Unpacks the layer `number` of `image`, above its unpacked lower ones, into the new directory `staging`.
  void unpack_layer(const Image& image, std::size_t number, const std::string& staging,
                    const userns::KeptNamespace* range);

  /// Held from here until the container that will use them exists, so that no remove() comes between. Throws NotFound
  /// when one has come already. No value: all are in read-only stores.
  std::optional<FileLock> hold_layers(const std::vector<std::string>& directories);

  // For pull, load and import.
  bool has_blob(const std::string& digest) const;
  std::string blob_path(const std::string& digest) const;
  /// Moves a finished, verified file from tmp/ into blobs/, when it is on the disk (fsync(2)). `path` is on the same
  /// file system.
  void adopt_blob(const std::string& path, const std::string& digest);
  /// Returns the digest.
  std::string write_blob(const std::string& content, DigestAlgorithm algorithm = DigestAlgorithm::sha256);
  std::string layout() const { return places_.data + "/images"; }  ///< The own one's directory.
  bool is_read_only(const Image& image) const { return image.layout != layout(); }
  Staged stage() const;  ///< A place for unfinished work, on the store's file system; see layout.h.
  /// Records `manifest` under `name` (an empty Reference: untagged) in index.json, durable when it returns.
  void record(const Descriptor& manifest, const Reference& name);

  /// `load` of docker-archive and oci-archive (any compression), or of an OCI layout or what skopeo calls "dir:", when
  /// it is a directory; returns the names loaded, of images without one the ids. `only`: no others than of this name, a
  /// layout's own one or a reference; NotFound when there is none.
  std::vector<std::string> load(int archive_fd, const std::string& only = {});
  /// `import`: a root tarball as a one-layer image; returns its id.
  std::string import(int archive_fd, const Reference& name, const ImportOptions& options = {});
  /// `commit`: an image like `base` with one more layer, which `write` puts into an open file, or none when that is
  /// empty. `document`: the new config (image-spec config.md) but for this layer; its last history entry is the
  /// layer's. Returns the image's id, when it is on the disk.
  std::string extend(const Image& base, Json document, const std::function<PackedLayer(int file)>& write,
                     const Reference& name);
  /// Blobs of an image in a read-only store come into the own one.
  void adopt_image(const Image& image);
  /// Config (image-spec config.md) and manifest of an image whose layers are there: blobs that nothing names yet, so
  /// the caller holds a staging area. Without diff_ids.
  Image write_documents(const Json& document, const std::vector<Descriptor>& layers,
                        const std::map<std::string, std::string>& annotations);
  /// The same under a name. Returns the image's id, when it is on the disk.
  std::string write_image(const Json& document, const std::vector<Descriptor>& layers, const Reference& name);

  /// What no image, no container and no record of a build needs goes. Returns the bytes that are free now.
  std::uint64_t collect(const ListUsers& users);

 private:
  Image find_now(const std::string& reference) const;

  Places places_;
  mutable std::weak_ptr<StagingArea> staging_;  ///< Made when needed.
};

}  // namespace sandbox::image
