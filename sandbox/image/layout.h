// OCI image layouts (image-spec image-layout.md), read and written by directory. Internal to this room.
//
// Everything read here is a stranger's: documents are bounded (4 MiB), parsed with a depth limit, and manifest and
// config are checked against the size and digest that named them. A digest becomes a path only after validation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/image/image_store.h"

namespace sandbox::image {

inline constexpr std::size_t max_document = 4U << 20;
inline constexpr std::uint64_t max_content = 64ULL << 30;  ///< Bytes of one archive, or of one uncompressed layer.

inline constexpr const char* media_index = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* media_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* media_config = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* media_layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr const char* annotation_name = "org.opencontainers.image.ref.name";
inline constexpr const char* annotation_containerd = "io.containerd.image.name";

/// One line of index.json.
struct IndexEntry {
  std::string name;  ///< Empty when untagged.
  Descriptor manifest;
};

/// Where a layout has a blob: "blobs/sha256/<hex>". Throws InvalidInput for a digest that isn't one.
std::string blob_name(const std::string& digest);
std::string blob_in(const std::string& layout, const std::string& digest);

/// The digest of a blob that a layout has there; empty where it has none.
std::string digest_of_blob(std::string_view name);

/// The names, in that form, of all that is where a layout has its blobs, whatever it is.
std::vector<std::string> blob_names(const std::string& layout);

/// A file of a layout, which may be a stranger's: nothing but a regular file is opened, so that nothing makes the
/// caller wait. Throws SysError, InvalidInput.
Fd open_regular(const std::string& path);

/// The entries of index.json; none when the layout doesn't exist.
std::vector<IndexEntry> read_index(const std::string& layout);

/// Replaces index.json atomically. The caller holds the layout's lock.
void write_index(const std::string& layout, const std::vector<IndexEntry>& entries);

/// The content of a small blob, checked against the descriptor's size and digest.
std::string read_verified(const std::string& layout, const Descriptor& descriptor, std::string_view what);

/// Manifest and config behind `entry`; an image index is resolved to this host's platform.
Image read_image(const std::string& layout, const IndexEntry& entry);

/// Digests of all blobs that `manifest` reaches, itself included. An index's absent children are left out.
std::vector<std::string> reachable_blobs(const std::string& layout, const Descriptor& manifest);

/// Chain ids of the layers, bottom first (image-spec config.md "Layer ChainID").
std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids);

Descriptor parse_descriptor(const Json& json, std::string_view what);
Json descriptor_json(const Descriptor& descriptor);
/// Throws InvalidInput, which says what is wrong and where, for a text that is no digest.
void require_digest(const std::string& text, std::string_view what);
std::string host_architecture();  ///< GOARCH's word for this machine, e.g. "amd64".

/// Runs `body`, and turns a document's wrong types into InvalidInput naming it.
template <class Body>
auto reading_document(std::string_view what, Body&& body) {
  try {
    return body();
  } catch (const nlohmann::json::exception& error) {
    throw InvalidInput(fmt::format("{} is malformed: {}", what, error.what()));
  }
}

/// A directory or file in tmp/ that goes when the scope ends, unless it was renamed away.
class Staged {
 public:
  explicit Staged(std::string path, std::shared_ptr<StagingArea> area = {})
      : path_(std::move(path)), area_(std::move(area)) {}
  ~Staged();
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::shared_ptr<StagingArea> area_;  ///< Lives as long as anything in it.
};

// --- The own store; callers of the first two hold its lock. ----------------------------------------------------------

/// Puts `manifest` under `name` (empty: untagged) into the entries. An image that loses its name stays, untagged.
void put_entry(std::vector<IndexEntry>& entries, const Descriptor& manifest, const std::string& name);

/// The names of adopted blobs are on the disk when it returns, as their content is: an index may name them.
void sync_blobs(const std::string& layout);

/// Copies a blob's file; what is on the disk then has the digest. Throws InvalidInput when it hasn't.
void copy_verified(const std::string& from, const std::string& to, const std::string& digest);

/// Copies a blob of another layout into the own one, checking it on the way. No effect when it is there.
void copy_blob(ImageStore& store, const std::string& layout, const std::string& digest);

/// What nothing reaches with `kept` as the index: digests of blobs, and names of directories in layers/.
struct Garbage {
  std::vector<std::string> blobs, layers;
};
Garbage find_garbage(const Places& places, const std::vector<IndexEntry>& kept, const std::vector<ImageUser>& users);

/// Deletes it, but for the blobs while somebody is at work on new ones. Writes nothing, so that a full disk can be
/// emptied. Returns how many bytes that has freed.
std::uint64_t collect_garbage(const Places& places, const std::vector<IndexEntry>& kept,
                              const std::vector<ImageUser>& users);

std::uint64_t file_bytes(const std::string& path);    ///< 0 when it is absent.
std::uint64_t layer_bytes(const std::string& layer);  ///< Of an unpacked layer's files, as its meta.json says.

/// Makes the store's directories and its oci-layout file.
void prepare_store(const Places& places);
/// Throws NotFound when another command has removed one of these layers' directories.
void require_present(const std::vector<std::string>& directories);
/// The last layer of `image`, whose others are unpacked, is unpacked by moving the files of the directory `upper` out
/// of there; the layer is its archive, and nothing uses it any more. No effect when the layer has been unpacked.
void take_unpacked(const Places& places, const Image& image, const std::string& upper,
                   const userns::KeptNamespace* range);
std::string store_lock(const Places& places);
std::string own_layout(const Places& places);

}  // namespace sandbox::image
