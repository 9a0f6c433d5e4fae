// See diff.h. A directory's entry is written when something in it is: entries wait until then.
#include "fuse-overlay/store/diff.h"

#include <memory>
#include <optional>

#include "fuse-overlay/store/archive_walk.h"
#include "fuse-overlay/store/attributes.h"
#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/merged_layers.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr const char* kWhiteoutPrefix = ".wh.";
constexpr const char* kOpaqueName = ".wh..wh..opq";

std::string join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

/// An object of the upper directory, and what it covers.
struct Item {
  ObjectAt object;
  bool whiteout = false;
  std::optional<MergedLayers::Seen> old;
  MergedLayers::Parts below;  ///< Of two directories.
};

/// A directory on the way to where the walk is.
struct Level {
  ArchiveEntry entry;
  bool is_new = false;   ///< The layers below have no such directory,
  bool differs = false;  ///< or another than this, even if nothing in it is written.
  bool written = false;
  bool led_to_mount = false;
};

bool same_directory(const ArchiveEntry& a, const ArchiveEntry& b, bool times) {
  return a.uid == b.uid && a.gid == b.gid && a.mode == b.mode && a.xattrs == b.xattrs &&
         (!times || (a.mtime.tv_sec == b.mtime.tv_sec && a.mtime.tv_nsec == b.mtime.tv_nsec));
}

class DiffWalk {
 public:
  DiffWalk(ArchiveWriter& archive, const ArchiveOptions& options, WrittenArchive& result)
      : archive_(archive),
        options_(options),
        result_(result),
        lower_(options.lower),
        writer_(archive, options.true_owners, options.maker) {
    for (const std::string& fs : options.lower) records_.emplace_back(fs);
    for (const std::string& mount : options.mounts) {
      for (std::string_view at = parent_of(mount); !at.empty(); at = parent_of(at)) above_mounts_.emplace(at);
    }
  }

  void run(int upper) {
    const ObjectAt root{upper, ".", "", sys::fstat(upper) | or_throw("reading a layer's root")};
    const MergedLayers::Parts parts = lower_.root();
    std::optional<MergedLayers::Seen> old;
    if (!parts.empty()) {
      const auto directory = lower_.open("", parts);
      old = {parts.front(), sys::fstat(directory.of(parts.front())) | or_throw("reading a layer's root")};
    }
    walk_directory({root, false, old, parts}, upper);
  }

 private:
  std::optional<ObjectRecord> recorded(const ObjectAt& object) const {
    return options_.record ? options_.record(object) : std::nullopt;
  }

  std::optional<OldObject> old_of(const Item& item) {
    if (!item.old || ((item.old->status.st_mode ^ item.object.status.st_mode) & S_IFMT) != 0) return {};
    return OldObject{records_[item.old->layer].find(item.object.path), item.old->status};
  }

  /// The directory as the layers below have it.
  ArchiveEntry old_entry(const Item& item, const OldObject& old) {
    const MergedLayers::Parts parts{item.old->layer};
    const auto directory = lower_.open(item.object.path, parts);
    ObjectAt object = item.object;
    object.status = old.status;
    return describe_directory(writer_, object, directory.of(item.old->layer), {}, &old);
  }

  void walk_directory(const Item& item, int upper) {
    if (levels_.size() > kMaxDepth) throw InvalidInput(fmt::format("'{}' is too deep", printable(item.object.path)));
    const std::string& path = item.object.path;
    const auto old = old_of(item);
    Level level;
    level.entry = describe_directory(writer_, item.object, upper, recorded(item.object), old ? &*old : nullptr);
    level.is_new = !old;
    level.led_to_mount = options_.mounts.contains(path) || above_mounts_.contains(path);
    // Making a mount's target has changed the time; the root's is that of the container's making.
    if (old) level.differs = !same_directory(level.entry, old_entry(item, *old), !level.led_to_mount && !path.empty());
    levels_.push_back(std::move(level));
    walk_entries(upper, path, item.below);
    const Level& done = levels_.back();
    const bool worth_it = done.is_new ? !done.led_to_mount && !path.empty() : done.differs;
    if (!done.written && worth_it) write_levels();
    levels_.pop_back();
  }

  void walk_entries(int upper, const std::string& path, const MergedLayers::Parts& parts) {
    const bool opaque = is_opaque(upper);
    std::vector<Item> items;
    {
      const auto below = lower_.open(path, parts);
      if (opaque && !below.entries().empty()) write_mark(join(path, kOpaqueName));
      items = read_items(upper, path, below, opaque);
    }
    for (const Item& item : items) walk_item(item);
  }

  std::vector<Item> read_items(int upper, const std::string& path, const MergedLayers::Directory& below, bool opaque) {
    std::vector<Item> items;
    for (const std::string& name : sorted_names(upper)) {
      const auto status = sys::fstatat(upper, name.c_str(), AT_SYMLINK_NOFOLLOW);
      if (!status && status.error().value == ENOENT) continue;  // removed meanwhile
      if (!status) throw SysError(status.error(), fmt::format("reading '{}' of a layer", printable(join(path, name))));
      Item item{{upper, name, join(path, name), *status}, is_whiteout(upper, name.c_str(), *status), {}, {}};
      if (!opaque) item.old = below.find(name);
      if (item.old && S_ISDIR(item.old->status.st_mode) && S_ISDIR(status->st_mode)) item.below = below.parts_of(name);
      items.push_back(std::move(item));
    }
    return items;
  }

  void walk_item(const Item& item) {
    const ObjectAt& object = item.object;
    if (item.whiteout) {
      if (!item.old) return;
      return write_mark(join(std::string(parent_of(object.path)), kWhiteoutPrefix + object.name));
    }
    if (object.name.starts_with(kWhiteoutPrefix)) {
      result_.left_out.push_back(object.path);  // readers would take it for a whiteout
      return;
    }
    if (S_ISDIR(object.status.st_mode)) {
      const auto directory = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!directory && directory.error().value == ENOENT) return;
      if (!directory) throw SysError(directory.error(), fmt::format("opening '{}' of a layer", printable(object.path)));
      return walk_directory(item, directory->get());
    }
    if (!item.old && options_.mounts.contains(object.path)) return;
    if (S_ISSOCK(object.status.st_mode)) {
      result_.left_out.push_back(object.path);
      return;
    }
    const auto old = old_of(item);
    write_levels();
    writer_.write(object, recorded(object), old ? &*old : nullptr);
  }

  /// The entries of the directories that the walk is in.
  void write_levels() {
    for (Level& level : levels_) {
      const bool unsaid_root = level.entry.path.empty() && !level.differs;
      if (!level.written && !unsaid_root) archive_.add(level.entry);
      level.written = true;
    }
  }

  /// A whiteout. Its time is that of the directory, lest the moment get in.
  void write_mark(const std::string& path) {
    write_levels();
    archive_.add({.path = path, .type = '0', .link = {}, .mode = 0, .mtime = levels_.back().entry.mtime, .xattrs = {}});
  }

  ArchiveWriter& archive_;
  const ArchiveOptions& options_;
  WrittenArchive& result_;
  MergedLayers lower_;
  ObjectWriter writer_;
  std::vector<LayerRecords> records_;
  std::set<std::string> above_mounts_;
  std::vector<Level> levels_;
};

}  // namespace

WrittenArchive write_diff(const std::string& upper, int archive_fd, const ArchiveOptions& options) {
  const Fd top = sys::openat(AT_FDCWD, upper.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening layer '{}'", upper);
  return write_archive(archive_fd, options, [&](ArchiveWriter& archive, WrittenArchive& result) {
    DiffWalk(archive, options, result).run(top.get());
  });
}

}  // namespace sandbox::overlay
