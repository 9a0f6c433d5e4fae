// See squash_layer.h.
#include "sandbox/build/squash_layer.h"

#include "fuse-overlay/store/archive_walk.h"
#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::build {
namespace {

std::string join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

class SquashWalk {
 public:
  SquashWalk(FileTree& whole, std::size_t added, FileTree& below, overlay::ArchiveWriter& archive, bool true_owners,
             overlay::WrittenArchive& result)
      : whole_(whole),
        added_(added),
        below_(below),
        archive_(archive),
        writer_(archive, true_owners),
        result_(result) {}

  /// `in_below`: the layers below have the directory, too.
  void walk(const std::string& path, bool in_below, std::size_t depth) {
    if (depth > overlay::kMaxDepth) throw InvalidInput(fmt::format("'{}' is too deep", overlay::printable(path)));
    const auto now = whole_.list(path);
    const auto before = in_below ? below_.list(path) : std::map<std::string, FileTree::Seen>();
    for (const auto& [name, seen] : before) {
      if (!now.contains(name)) write_whiteout(path, name);
    }
    for (const auto& [name, seen] : now) {
      if (seen.layer >= added_) continue;  // a directory with something new is new itself
      const std::string whole = join(path, name);
      if (!S_ISDIR(seen.status.st_mode)) {
        write_object(whole, seen);
        continue;
      }
      write_directory(whole, seen);
      const auto old = before.find(name);
      walk(whole, old != before.end() && S_ISDIR(old->second.status.st_mode), depth + 1);
    }
  }

 private:
  /// With the time of the directory, lest the moment get in.
  void write_whiteout(const std::string& path, const std::string& name) {
    const auto directory = whole_.find(path);
    archive_.add({.path = join(path, ".wh." + name),
                  .type = '0',
                  .link = {},
                  .mode = 0,
                  .mtime = directory ? directory->status.st_mtim : timespec{},
                  .xattrs = {}});
  }

  void write_object(const std::string& path, const FileTree::Seen& seen) {
    const auto record = whole_.record(path, seen);
    if (!writer_.write(whole_.object(path, seen), record, nullptr)) result_.left_out.push_back(path);
  }

  void write_directory(const std::string& path, const FileTree::Seen& seen) {
    const auto record = whole_.record(path, seen);
    const overlay::ObjectAt object = whole_.object(path, seen);
    const Fd directory = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW) |
                         or_throw("opening '/{}'", overlay::printable(path));
    archive_.add(overlay::describe_directory(writer_, object, directory.get(), record, nullptr));
  }

  FileTree& whole_;
  std::size_t added_;
  FileTree& below_;
  overlay::ArchiveWriter& archive_;
  overlay::ObjectWriter writer_;
  overlay::WrittenArchive& result_;
};

}  // namespace

overlay::WrittenArchive write_squashed(FileTree& whole, std::size_t added, FileTree& below, int archive_fd,
                                       bool true_owners) {
  overlay::ArchiveOptions options;
  options.compression = overlay::Compression::gzip;
  return overlay::write_archive(
      archive_fd, options, [&](overlay::ArchiveWriter& archive, overlay::WrittenArchive& result) {
        SquashWalk(whole, added, below, archive, true_owners, result).walk("", below.find("").has_value(), 0);
      });
}

}  // namespace sandbox::build
