// The merged tree as an archive; see write_merged in diff.h.
#include "fuse-overlay/store/archive_walk.h"
#include "fuse-overlay/store/attributes.h"
#include "fuse-overlay/store/diff.h"
#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/merged_layers.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

std::vector<std::string> all_layers(const std::string& upper, const std::vector<std::string>& lower) {
  std::vector<std::string> layers = lower;
  if (!upper.empty()) layers.insert(layers.begin(), upper);
  return layers;
}

class MergedWalk {
 public:
  MergedWalk(ArchiveWriter& archive, const std::string& upper, const ArchiveOptions& options, WrittenArchive& result)
      : archive_(archive),
        options_(options),
        result_(result),
        has_upper_(!upper.empty()),
        layers_(all_layers(upper, options.lower)),
        writer_(archive, options.true_owners, options.maker) {
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) records_.emplace_back(layers_.fs(layer));
  }

  void run() { walk("", layers_.root(), 0); }

 private:
  struct Item {
    std::string name;
    MergedLayers::Seen seen;
    MergedLayers::Parts parts;  ///< Of a directory.
  };

  /// What is on record of an object: the container's own record, or that of its layer or of the one below that it was
  /// copied from.
  std::optional<ObjectRecord> recorded(const ObjectAt& object, std::size_t layer) {
    if (has_upper_ && layer == 0) return options_.record ? options_.record(object) : std::nullopt;
    const ObjectRecord* record = records_[layer].find(object.path);
    return record == nullptr ? std::nullopt : std::optional(*record);
  }

  /// What the upper layer's object at `name` covers.
  std::optional<OldObject> covered(const std::string& path, const std::string& name, const MergedLayers::Parts& parts,
                                   const struct stat& status) {
    if (parts.size() < 2) return {};
    const auto below = layers_.open(path, {parts.begin() + 1, parts.end()});
    const auto old = below.find(name);
    if (!old || ((old->status.st_mode ^ status.st_mode) & S_IFMT) != 0) return {};
    return OldObject{records_[old->layer].find(path.empty() ? name : path + "/" + name), old->status};
  }

  void walk(const std::string& path, const MergedLayers::Parts& parts, std::size_t depth) {
    if (depth > kMaxDepth) throw InvalidInput(fmt::format("'{}' is too deep", printable(path)));
    std::vector<Item> subdirectories;
    {
      const auto directory = layers_.open(path, parts);
      const std::string prefix = path.empty() ? "" : path + "/";
      for (auto& [name, seen] : directory.entries()) {
        const ObjectAt object{directory.of(seen.layer), name, prefix + name, seen.status};
        std::optional<OldObject> old;
        if (has_upper_ && seen.layer == 0) old = covered(path, name, parts, seen.status);
        if (!has_upper_ || seen.layer != 0) old = OldObject{nullptr, seen.status};
        if (S_ISDIR(seen.status.st_mode)) {
          subdirectories.push_back({name, seen, directory.parts_of(name)});
          write_directory(object, seen.layer, old);
        } else if (!writer_.write(object, recorded(object, seen.layer), old ? &*old : nullptr)) {
          result_.left_out.push_back(object.path);
        }
      }
      write_devices(path, directory, parts);
    }
    for (const Item& item : subdirectories)
      walk(path.empty() ? item.name : path + "/" + item.name, item.parts, depth + 1);
  }

  void write_directory(const ObjectAt& object, std::size_t layer, const std::optional<OldObject>& old) {
    const Fd fd = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW) |
                  or_throw("opening '{}' of a layer", printable(object.path));
    archive_.add(describe_directory(writer_, object, fd.get(), recorded(object, layer), old ? &*old : nullptr));
  }

  /// Devices that no higher layer has put something in the place of.
  void write_devices(const std::string& path, const MergedLayers::Directory& directory,
                     const MergedLayers::Parts& parts) {
    std::set<std::string> done;
    for (const std::size_t layer : parts) {
      for (const std::string& name : records_[layer].devices_in(path)) {
        if (!done.insert(name).second || directory.hides(name, layer)) continue;
        const std::string whole = path.empty() ? name : path + "/" + name;
        writer_.write_device(whole, *records_[layer].find(whole), {});
      }
    }
  }

  ArchiveWriter& archive_;
  const ArchiveOptions& options_;
  WrittenArchive& result_;
  bool has_upper_;
  MergedLayers layers_;
  ObjectWriter writer_;
  std::vector<LayerRecords> records_;
};

}  // namespace

WrittenArchive write_merged(const std::string& upper, int archive_fd, const ArchiveOptions& options) {
  return write_archive(archive_fd, options, [&](ArchiveWriter& archive, WrittenArchive& result) {
    MergedWalk(archive, upper, options, result).run();
  });
}

}  // namespace sandbox::overlay
