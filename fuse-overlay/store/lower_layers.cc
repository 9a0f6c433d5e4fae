#include "fuse-overlay/store/lower_layers.h"

#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/merged_layers.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

/// Looks for `path` in one layer. `hides`: this layer settles the matter, whatever lies below.
struct Found {
  Fd directory;
  bool hides = false;
};
Found find_in(const std::string& fs, const std::string& path) {
  Found found{sys::openat(AT_FDCWD, fs.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening layer '{}'", fs), false};
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    auto next = sys::openat(found.directory.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!next) {
      found.hides |= next.error().value != ENOENT;  // a whiteout, a file or a link
      found.directory.reset();
      return found;
    }
    found.directory = std::move(*next);
    found.hides |= is_opaque(found.directory.get());
    start = end + 1;
  }
  return found;
}

}  // namespace

LowerLayers::LowerLayers(const std::vector<std::string>& directories, bool true_owners) : true_owners_(true_owners) {
  for (const std::string& directory : directories) layers_.push_back({directory, LayerRecords(directory)});
}

EntryMetadata LowerLayers::metadata_of(Layer& layer, int fd, const std::string& path) const {
  const struct stat status = sys::fstat(fd) | or_throw("reading '{}' of a lower layer", printable(path));
  EntryMetadata metadata{.uid = true_owners_ ? status.st_uid : 0,
                         .gid = true_owners_ ? status.st_gid : 0,
                         .mode = status.st_mode & 07777U,
                         .mtime = status.st_mtim,
                         .xattrs = {},
                         .capability = {}};
  const ObjectRecord* record = layer.records.find(path);
  if (record == nullptr) return metadata;
  metadata.uid = record->uid;
  metadata.gid = record->gid;
  metadata.mode = record->mode;
  return metadata;
}

std::optional<EntryMetadata> LowerLayers::directory(const std::string& path) {
  for (Layer& layer : layers_) {
    const Found found = find_in(layer.fs, path);
    if (found.directory) return metadata_of(layer, found.directory.get(), path);
    if (found.hides) return {};
  }
  return {};
}

}  // namespace sandbox::overlay
