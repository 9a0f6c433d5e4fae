// See tree_writing.h. libarchive parses; every name is resolved below the directory without following a link.
#include "sandbox/engine/tree_writing.h"

#include <archive.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "fuse-overlay/store/archive_library.h"
#include "fuse-overlay/store/attributes.h"
#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::engine {
namespace {

using overlay::printable;

constexpr std::uint64_t kStrict = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
constexpr std::uint64_t kMostEntries = 10'000'000;
constexpr std::int64_t kLargestFile = 8LL << 40;

struct Metadata {
  std::uint32_t uid = 0, gid = 0, mode = 0;
  std::optional<timespec> mtime;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

/// A directory whose mode and time come last, since making what it holds needs the one and changes the other.
struct Unfinished {
  std::string path;
  Metadata metadata;
};

class TreeWriter {
 public:
  TreeWriter(int archive_fd, const TreeWritingOptions& options)
      : options_(options), archive_(lib_.archive_read_new(), lib_.archive_read_free) {
    archive* a = archive_.get();
    if (a == nullptr) throw Error("starting libarchive: out of memory");
    // Filters built into the library only: "all" would start external programs for exotic ones (CVE-2026-41567).
    lib_.archive_read_support_filter_gzip(a);
    lib_.archive_read_support_filter_zstd(a);
    lib_.archive_read_support_filter_xz(a);
    lib_.archive_read_support_filter_bzip2(a);
    lib_.archive_read_support_format_empty(a);
    lib_.archive_read_support_format_tar(a);
    check(lib_.archive_read_open_fd(a, archive_fd, 65536));
  }

  std::uint64_t run() {
    if (!options_.choose) root_ = sys::dup(options_.directory) | or_throw("opening the destination");
    archive_entry* entry = nullptr;
    for (std::uint64_t count = 0; check(lib_.archive_read_next_header(archive_.get(), &entry)); ++count) {
      if (count == kMostEntries) throw InvalidInput(fmt::format("the archive has more than {} entries", kMostEntries));
      write(entry);
    }
    std::ranges::reverse(unfinished_);
    for (const Unfinished& directory : unfinished_) finish(directory);
    return bytes_;
  }

 private:
  bool check(int status) {
    if (status == ARCHIVE_EOF) return false;
    if (status == ARCHIVE_OK || status == ARCHIVE_WARN) return true;  // warnings are about character sets of names
    const char* reason = lib_.archive_error_string(archive_.get());
    throw InvalidInput(
        fmt::format("the archive is not readable: {}", reason == nullptr ? "unknown format" : printable(reason)));
  }

  static std::uint32_t checked_id(std::int64_t id, const std::string& path) {
    if (id >= 0 && id < std::numeric_limits<std::uint32_t>::max()) return static_cast<std::uint32_t>(id);
    throw InvalidInput(
        fmt::format("the archive's entry '{}' belongs to {}, which is no valid id", printable(path), id));
  }

  Metadata metadata_of(archive_entry* entry, const std::string& path) {
    Metadata metadata;
    metadata.uid = checked_id(lib_.archive_entry_uid(entry), path);
    metadata.gid = checked_id(lib_.archive_entry_gid(entry), path);
    metadata.mode = static_cast<std::uint32_t>(lib_.archive_entry_perm(entry)) & (options_.set_ids ? 07777U : 01777U);
    if (lib_.archive_entry_mtime_is_set(entry) != 0) {
      const long nanoseconds = std::clamp(lib_.archive_entry_mtime_nsec(entry), 0L, 999'999'999L);
      metadata.mtime = timespec{lib_.archive_entry_mtime(entry), nanoseconds};
    }
    lib_.archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (lib_.archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      const bool wanted = name != nullptr && (overlay::is_layer_attribute(name) ||
                                              (options_.set_ids && name == std::string_view("security.capability")));
      if (wanted) metadata.xattrs.emplace_back(name, std::string(static_cast<const char*>(value), size));
    }
    return metadata;
  }

  /// The entry's name as the destination has it. "" is the directory itself.
  std::string renamed(const char* raw) const {
    if (raw == nullptr) throw InvalidInput("the archive has an entry without a readable name");
    const std::string path = overlay::normalize_entry_path(raw);
    if (!options_.choose) return path;
    const auto slash = path.find('/');
    if (slash == std::string::npos) return name_;
    return name_.empty() ? path.substr(slash + 1) : name_ + path.substr(slash);
  }

  void write(archive_entry* entry) {
    const auto type = lib_.archive_entry_filetype(entry);
    if (!root_) {
      WritingTarget target = options_.choose(type == AE_IFDIR);
      root_ = std::move(target.directory);
      name_ = target.name;
    }
    const std::string path = renamed(lib_.archive_entry_pathname(entry));
    if (const char* link = lib_.archive_entry_hardlink(entry)) return write_hard_link(path, renamed(link));
    if (path.empty()) {
      if (type != AE_IFDIR) throw InvalidInput("the archive's root is not a directory");
      return;  // the destination's own directory stays as it is
    }
    const Metadata metadata = metadata_of(entry, path);
    switch (type) {
      case AE_IFDIR:
        return write_directory(path, metadata);
      case AE_IFREG:
        return write_file(entry, path, metadata);
      case AE_IFLNK: {
        const char* target = lib_.archive_entry_symlink(entry);
        clear_way(path);
        sys::symlinkat(target == nullptr ? "" : target, parent_.get(), leaf(path).c_str()) |
            or_throw("making symbolic link '{}'", printable(path));
        return describe_name(path, metadata, false);
      }
      case AE_IFIFO:
        clear_way(path);
        sys::mknodat(parent_.get(), leaf(path).c_str(), S_IFIFO | 0600, 0) |
            or_throw("making fifo '{}'", printable(path));
        return describe_name(path, metadata, true);
      default:
        if (options_.left_out) options_.left_out(path);
    }
  }

  static std::string leaf(const std::string& path) { return std::string(overlay::leaf_of(path)); }

  Result<Fd> open_directory(const std::string& path) const {
    return sys::openat2(root_.get(), path.empty() ? "." : path.c_str(), O_PATH | O_DIRECTORY, kStrict);
  }

  /// Points parent_ at the directory that holds `path`, and makes what is missing of it.
  void open_parent(const std::string& path) {
    const std::string directory(overlay::parent_of(path));
    if (parent_ && parent_path_ == directory) return;
    auto whole = open_directory(directory);
    if (!whole && whole.error().value == ENOENT) {
      Fd current = open_directory("") | or_throw("opening the destination");
      for (std::size_t start = 0; start < directory.size();) {
        const std::size_t end = std::min(directory.find('/', start), directory.size());
        const std::string name = directory.substr(start, end - start);
        const auto made = sys::mkdirat(current.get(), name.c_str(), 0755);
        if (!made && made.error().value != EEXIST)
          throw SysError(made.error(), fmt::format("making directory '{}'", printable(directory.substr(0, end))));
        current = sys::openat2(current.get(), name.c_str(), O_PATH | O_DIRECTORY, kStrict) |
                  or_throw("opening '{}'", printable(directory.substr(0, end)));
        start = end + 1;
      }
      whole = std::move(current);
    }
    parent_ = std::move(whole) | or_throw("opening '{}'", printable(directory));
    parent_path_ = directory;
  }

  /// What is at `path`, whose parent is open then.
  std::optional<struct stat> look(const std::string& path) {
    open_parent(path);
    auto status = sys::fstatat(parent_.get(), leaf(path).c_str(), AT_SYMLINK_NOFOLLOW);
    if (!status && status.error().value == ENOENT) return {};
    return std::move(status) | or_throw("looking at '{}'", printable(path));
  }

  void clear_way(const std::string& path) {
    const auto status = look(path);
    if (!status) return;
    if (S_ISDIR(status->st_mode)) {
      throw Error(fmt::format("cannot overwrite directory \"{0}\" with non-directory \"{0}\"", printable(path)));
    }
    const auto removed = sys::unlinkat(parent_.get(), leaf(path).c_str(), 0);
    if (!removed && removed.error().value != ENOENT)
      throw SysError(removed.error(), fmt::format("replacing '{}'", printable(path)));
  }

  void write_directory(const std::string& path, const Metadata& metadata) {
    const auto status = look(path);
    if (status && !S_ISDIR(status->st_mode)) {
      throw Error(fmt::format("cannot overwrite non-directory \"{0}\" with directory \"{0}\"", printable(path)));
    }
    if (!status) {
      const auto made = sys::mkdirat(parent_.get(), leaf(path).c_str(), 0700);
      if (!made && made.error().value != EEXIST)
        throw SysError(made.error(), fmt::format("making directory '{}'", printable(path)));
    }
    unfinished_.push_back({path, metadata});
  }

  void finish(const Unfinished& directory) {
    auto found = sys::openat2(root_.get(), directory.path.c_str(), O_RDONLY | O_DIRECTORY, kStrict);
    if (!found && (found.error().value == ENOENT || found.error().value == ELOOP)) return;  // replaced meanwhile
    const Fd fd = std::move(found) | or_throw("opening '{}'", printable(directory.path));
    describe(fd.get(), directory.path, directory.metadata);
  }

  void write_file(archive_entry* entry, const std::string& path, const Metadata& metadata) {
    const std::int64_t size = lib_.archive_entry_size(entry);
    if (size < 0 || size > kLargestFile) {
      throw InvalidInput(fmt::format("the archive's file '{}' has an impossible size", printable(path)));
    }
    clear_way(path);
    const Fd file = sys::openat(parent_.get(), leaf(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) |
                    or_throw("creating '{}'", printable(path));
    const void* data = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    while (check(lib_.archive_read_data_block(archive_.get(), &data, &length, &offset))) {
      if (offset < 0 || static_cast<std::uint64_t>(offset) + length > static_cast<std::uint64_t>(size)) {
        throw InvalidInput(fmt::format("the archive's file '{}' has data beyond its size", printable(path)));
      }
      sys::pwrite_all(file.get(), data, length, offset) | or_throw("writing '{}'", printable(path));
      bytes_ += length;
    }
    sys::ftruncate(file.get(), size) | or_throw("sizing '{}'", printable(path));
    describe(file.get(), path, metadata);
  }

  void write_hard_link(const std::string& path, const std::string& target) {
    if (target.empty()) throw InvalidInput(fmt::format("the archive's '{}' is a link to its root", printable(path)));
    const Fd from = open_directory(std::string(overlay::parent_of(target))) |
                    or_throw("opening the directory of '{}'", printable(target));
    clear_way(path);
    sys::linkat(from.get(), leaf(target).c_str(), parent_.get(), leaf(path).c_str()) |
        or_throw("linking '{}' to '{}'", printable(path), printable(target));
  }

  void give_owner(int object, const std::string& path, const Metadata& metadata) {
    if (options_.give_owner) options_.give_owner(object, metadata.uid, metadata.gid, path);
  }

  /// Of an open file or directory. The owner comes first: a change of it takes set-ID bits and capabilities away.
  void describe(int fd, const std::string& path, const Metadata& metadata) {
    give_owner(fd, path, metadata);
    sys::fchmod(fd, metadata.mode) | or_throw("setting the mode of '{}'", printable(path));
    for (const auto& [name, value] : metadata.xattrs) {
      // A nicety: a file system without them still holds the file.
      (void)sys::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0);
    }
    if (!metadata.mtime) return;
    const timespec times[2] = {*metadata.mtime, *metadata.mtime};
    sys::futimens(fd, times) | or_throw("setting the times of '{}'", printable(path));
  }

  /// Of what has no content, in parent_.
  void describe_name(const std::string& path, const Metadata& metadata, bool has_mode) {
    const std::string name = leaf(path);
    const Fd object =
        sys::openat(parent_.get(), name.c_str(), O_PATH | O_NOFOLLOW) | or_throw("opening '{}'", printable(path));
    give_owner(object.get(), path, metadata);
    if (has_mode) {
      // Through the descriptor: the name may be a link by now.
      sys::fchmodat(AT_FDCWD, fmt::format("/proc/self/fd/{}", object.get()).c_str(), metadata.mode) |
          or_throw("setting the mode of '{}'", printable(path));
    }
    if (!metadata.mtime) return;
    const timespec times[2] = {*metadata.mtime, *metadata.mtime};
    sys::utimensat(parent_.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) |
        or_throw("setting the times of '{}'", printable(path));
  }

  const overlay::ArchiveLibrary& lib_ = overlay::ArchiveLibrary::get();
  const TreeWritingOptions& options_;
  std::unique_ptr<archive, decltype(&::archive_read_free)> archive_;
  Fd root_, parent_;
  std::string name_, parent_path_;
  std::vector<Unfinished> unfinished_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::uint64_t write_tree(int archive_fd, const TreeWritingOptions& options) {
  return TreeWriter(archive_fd, options).run();
}

}  // namespace sandbox::engine
