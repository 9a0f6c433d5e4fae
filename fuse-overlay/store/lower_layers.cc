#include "fuse-overlay/store/lower_layers.h"

#include <sys/xattr.h>

#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::size_t owners_limit = 1U << 30;

bool is_opaque(int fd) {
  char value = 0;
  return ::fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

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

LowerLayers::LowerLayers(std::vector<std::string> directories, bool true_owners) : true_owners_(true_owners) {
  for (std::string& directory : directories) layers_.push_back({std::move(directory), {}});
}

EntryMetadata LowerLayers::metadata_of(Layer& layer, int fd, const std::string& path) const {
  const struct stat status = sys::fstat(fd) | or_throw("reading '{}' of a lower layer", printable(path));
  EntryMetadata metadata{.uid = true_owners_ ? status.st_uid : 0,
                         .gid = true_owners_ ? status.st_gid : 0,
                         .mode = status.st_mode & 07777U,
                         .mtime = status.st_mtim,
                         .xattrs = {},
                         .capability = {}};
  if (!layer.owners) {
    const std::string records = layer.fs + "/../owners.json";
    layer.owners = path_exists(records) ? parse_json(read_file(records, owners_limit), records) : Json::object();
  }
  const auto record = layer.owners->find(record_key(path));
  if (record == layer.owners->end()) return metadata;
  try {
    metadata.uid = record->at(0).get<std::uint32_t>();
    metadata.gid = record->at(1).get<std::uint32_t>();
    metadata.mode = record->at(2).get<std::uint32_t>() & 07777U;
  } catch (const Json::exception&) {
    throw InvalidInput(fmt::format("'{}/../owners.json' is malformed", layer.fs));
  }
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
