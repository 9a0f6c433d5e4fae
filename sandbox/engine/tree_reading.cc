// See tree_reading.h.
#include "sandbox/engine/tree_reading.h"

#include <limits.h>

#include <algorithm>

#include "fuse-overlay/store/attributes.h"
#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/merged_layers.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::engine {
namespace {

constexpr int kMostLinks = 40;  // path_resolution(7)

std::string joined(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

class TreeWalk {
 public:
  TreeWalk(overlay::ArchiveWriter& archive, const TreeArchiveOptions& options, std::vector<std::string>& left_out)
      : archive_(archive), options_(options), left_out_(left_out), writer_(archive, options.true_owners) {}

  void run(const Fd& object, const std::string& name) {
    const struct stat status = sys::fstat(object.get()) | or_throw("reading '{}'", overlay::printable(name));
    if (S_ISDIR(status.st_mode)) {
      const Fd directory =
          sys::openat(object.get(), ".", O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", overlay::printable(name));
      const overlay::ObjectAt root{directory.get(), ".", name, status};
      if (!name.empty()) write_directory(root, directory.get());
      walk(directory.get(), name, 1);
    } else {
      write_alone(object, {-1, "", name, status});
    }
  }

 private:
  std::optional<overlay::ObjectRecord> recorded(const overlay::ObjectAt& object) const {
    return options_.record ? options_.record(object) : std::nullopt;
  }

  /// An object that is not a directory and known by its descriptor.
  void write_alone(const Fd& object, const overlay::ObjectAt& at) {
    const std::string link = fmt::format("/proc/self/fd/{}", object.get());
    const auto record = recorded({object.get(), "", at.path, at.status});
    overlay::ArchiveEntry entry = writer_.describe(at, record, nullptr);
    if (record && record->device != 0) return writer_.write_device(at.path, *record, at.status.st_mtim);
    if (S_ISLNK(at.status.st_mode)) {
      entry.link = sys::readlinkat(object.get(), "") | or_throw("reading link '{}'", overlay::printable(at.path));
      archive_.add(entry);
    } else if (S_ISREG(at.status.st_mode)) {
      const Fd file =
          sys::openat(AT_FDCWD, link.c_str(), O_RDONLY) | or_throw("opening '{}'", overlay::printable(at.path));
      entry.xattrs = overlay::layer_attributes(file.get());
      archive_.add_file(entry, file.get(), static_cast<std::uint64_t>(at.status.st_size));
    } else if (S_ISFIFO(at.status.st_mode)) {
      archive_.add(entry);
    } else {
      left_out_.push_back(at.path);
    }
  }

  void write_directory(const overlay::ObjectAt& object, int directory) {
    archive_.add(overlay::describe_directory(writer_, object, directory, recorded(object), nullptr));
  }

  void walk(int directory, const std::string& path, std::size_t depth) {
    if (depth > overlay::kMaxDepth) throw InvalidInput(fmt::format("'{}' is too deep", overlay::printable(path)));
    if (options_.empty.contains(path)) return;
    for (const std::string& name : overlay::sorted_names(directory)) {
      const auto status = sys::fstatat(directory, name.c_str(), AT_SYMLINK_NOFOLLOW);
      if (!status && status.error().value == ENOENT) continue;  // removed meanwhile
      if (!status) throw SysError(status.error(), fmt::format("reading '{}'", overlay::printable(joined(path, name))));
      const overlay::ObjectAt object{directory, name, joined(path, name), *status};
      if (S_ISDIR(status->st_mode)) {
        walk_into(object, depth);
      } else if (!writer_.write(object, recorded(object), nullptr)) {
        left_out_.push_back(object.path);
      }
    }
  }

  void walk_into(const overlay::ObjectAt& object, std::size_t depth) {
    auto inner = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const bool replaced = !inner && (inner.error().value == ENOENT || inner.error().value == ENOTDIR);
    if (replaced) return;
    const Fd directory = std::move(inner) | or_throw("opening '{}'", overlay::printable(object.path));
    write_directory(object, directory.get());
    walk(directory.get(), object.path, depth + 1);
  }

  overlay::ArchiveWriter& archive_;
  const TreeArchiveOptions& options_;
  std::vector<std::string>& left_out_;
  overlay::ObjectWriter writer_;
};

}  // namespace

Tree Tree::local() { return {AT_FDCWD, 0}; }
Tree Tree::below(int root) { return {root, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS}; }

std::string Tree::below_root(const std::string& path) const {
  return path.empty() ? (root_ == AT_FDCWD ? "." : "/") : path;
}

std::optional<Fd> Tree::find(const std::string& path, bool follow) const {
  auto found = sys::openat2(root_, below_root(path).c_str(), O_PATH | (follow ? 0 : O_NOFOLLOW), resolve_);
  if (!found && found.error().value == ENOENT) return {};
  return std::move(found) | or_throw("opening '{}'", overlay::printable(path));
}

Fd Tree::open(const std::string& path, bool follow) const {
  auto found = find(path, follow);
  if (!found) throw SysError(Errno{ENOENT}, fmt::format("opening '{}'", overlay::printable(path)));
  return std::move(*found);
}

FinalPlace find_final(const Tree& tree, const std::string& path) {
  std::string rest = path;
  while (rest.size() > 1 && rest.ends_with('/')) rest.pop_back();
  for (int links = 0; links <= kMostLinks && rest.size() < PATH_MAX; ++links) {
    const auto slash = rest.rfind('/');
    const std::string name = slash == std::string::npos ? rest : rest.substr(slash + 1);
    if (name.empty() || name == "." || name == "..") {
      Fd directory = tree.open(rest, true);
      const struct stat status = sys::fstat(directory.get()) | or_throw("reading '{}'", overlay::printable(rest));
      return {std::move(directory), "", status};
    }
    const std::string parent = slash == std::string::npos ? "." : rest.substr(0, slash + 1);
    FinalPlace place{tree.open(parent, true), name, {}};
    auto status = sys::fstatat(place.parent.get(), name.c_str(), AT_SYMLINK_NOFOLLOW);
    if (!status && status.error().value == ENOENT) return place;
    place.status = std::move(status) | or_throw("reading '{}'", overlay::printable(rest));
    if (!S_ISLNK(place.status->st_mode)) return place;
    const std::string target =
        sys::readlinkat(place.parent.get(), name.c_str()) | or_throw("reading link '{}'", overlay::printable(rest));
    rest = target.starts_with('/') ? target : parent + "/" + target;
    while (rest.size() > 1 && rest.ends_with('/')) rest.pop_back();
  }
  throw SysError(Errno{ELOOP}, fmt::format("opening '{}'", overlay::printable(path)));
}

std::uint64_t write_tree_archive(const Fd& object, const std::string& name, int archive_fd,
                                 const TreeArchiveOptions& options, std::vector<std::string>& left_out) {
  overlay::LayerSink sink(archive_fd, overlay::Compression::none);
  overlay::ArchiveWriter archive(sink);
  TreeWalk(archive, options, left_out).run(object, name);
  archive.finish();
  return sink.finish().size;
}

}  // namespace sandbox::engine
