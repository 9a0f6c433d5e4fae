// See apply.h. libarchive parses the tar headers of the uncompressed stream; names, links and
// metadata are judged here; LayerTree does what they ask for.
#include "fuse-overlay/store/apply.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "fuse-overlay/store/acl.h"
#include "fuse-overlay/store/archive_library.h"
#include "fuse-overlay/store/archive_source.h"
#include "fuse-overlay/store/attributes.h"
#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/layer_stream.h"
#include "fuse-overlay/store/layer_tree.h"
#include "fuse-overlay/store/lower_layers.h"
#include "fuse-overlay/store/owner_record.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::string_view whiteout_prefix = ".wh.";

void pwrite_all(int fd, const void* data, std::size_t size, std::int64_t offset, const std::string& path) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t wrote = ::pwrite(fd, at, size, offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) throw SysError(Errno{errno}, fmt::format("writing '{}' of the layer", printable(path)));
    at += wrote;
    size -= static_cast<std::size_t>(wrote);
    offset += wrote;
  }
}

std::uint32_t checked_id(std::int64_t id, const std::string& path) {
  // 4294967295 means "no change" to chown(2).
  if (id < 0 || id >= std::numeric_limits<std::uint32_t>::max()) {
    throw InvalidInput(
        fmt::format("layer archive: entry '{}': owner {} is no valid user or group", printable(path), id));
  }
  return static_cast<std::uint32_t>(id);
}

/// libarchive (3.6 to 3.8, pax_time) takes the sign of a decimal time for its seconds alone: it reads -1.5 as -0.5.
/// Below a second before 1970 nothing is left of the sign.
timespec time_of(std::int64_t seconds, long nanoseconds) {
  nanoseconds = std::clamp(nanoseconds, 0L, 999'999'999L);
  if (seconds >= 0 || nanoseconds == 0) return {seconds, nanoseconds};
  return {seconds - 1, 1'000'000'000L - nanoseconds};
}

std::optional<AclEntry::Tag> acl_tag(int tag) {
  switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
      return AclEntry::Tag::user_obj;
    case ARCHIVE_ENTRY_ACL_USER:
      return AclEntry::Tag::user;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
      return AclEntry::Tag::group_obj;
    case ARCHIVE_ENTRY_ACL_GROUP:
      return AclEntry::Tag::group;
    case ARCHIVE_ENTRY_ACL_MASK:
      return AclEntry::Tag::mask;
    case ARCHIVE_ENTRY_ACL_OTHER:
      return AclEntry::Tag::other;
    default:
      return std::nullopt;  // of NFSv4's lists
  }
}

class Applier {
 public:
  Applier(int archive_fd, int directory_fd, const ApplyOptions& options)
      : options_(options),
        stream_(archive_fd, {options.max_bytes, options.growing, options.algorithm}),
        tree_(directory_fd, options.change_owner),
        archive_(lib_.archive_read_new(), lib_.archive_read_free) {
    if (!archive_) throw Error("starting libarchive: out of memory");
  }

  AppliedLayer run() {
    lib_.archive_read_support_format_tar(archive_.get());
    check(lib_.archive_read_open(archive_.get(), &source_, nullptr, &ArchiveSource::read, nullptr));
    archive_entry* entry = nullptr;
    while (check(lib_.archive_read_next_header(archive_.get(), &entry))) {
      if (++result_.entries > options_.max_entries) {
        throw InvalidInput(fmt::format("layer archive: more than {} entries", options_.max_entries));
      }
      apply(entry);
    }
    tree_.adopt_implied([this] {
      return LowerLayers(options_.lower ? options_.lower() : std::vector<std::string>(), options_.change_owner);
    });
    result_.owners = tree_.finish();
    result_.other_owners = tree_.saw_other_owners();
    result_.diff_id = stream_.finish();
    return std::move(result_);
  }

 private:
  /// False at the end of the archive. ARCHIVE_WARN is about character sets of names: the bytes are kept.
  bool check(int status) {
    if (source_.failure) std::rethrow_exception(source_.failure);
    if (status == ARCHIVE_EOF) return false;
    if (status == ARCHIVE_OK || status == ARCHIVE_WARN) return true;
    const char* reason = lib_.archive_error_string(archive_.get());
    throw InvalidInput(fmt::format("layer archive: {}", reason == nullptr ? "not a tar archive" : printable(reason)));
  }

  EntryMetadata metadata_of(archive_entry* entry, const std::string& path) {
    EntryMetadata metadata;
    metadata.uid = checked_id(lib_.archive_entry_uid(entry), path);
    metadata.gid = checked_id(lib_.archive_entry_gid(entry), path);
    metadata.mode = static_cast<std::uint32_t>(lib_.archive_entry_perm(entry)) & 07777U;
    if (lib_.archive_entry_mtime_is_set(entry) != 0) {
      metadata.mtime = time_of(lib_.archive_entry_mtime(entry), lib_.archive_entry_mtime_nsec(entry));
    }
    lib_.archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (lib_.archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      if (name == nullptr) continue;
      const std::string bytes(static_cast<const char*>(value), size);
      if (is_layer_attribute(name)) metadata.xattrs.emplace_back(name, bytes);
      if (is_acl(name)) metadata.acls.emplace_back(name, bytes);
      if (name == std::string_view("security.capability")) metadata.capability = bytes;
      take_owner(metadata, name, bytes);
    }
    take_acl(metadata, entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, kAccessAcl);
    take_acl(metadata, entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, kDefaultAcl);
    return metadata;
  }

  /// A list that the archive has as text (SCHILY.acl.access, SCHILY.acl.default). One that names users without their
  /// numbers says nothing here.
  void take_acl(EntryMetadata& metadata, archive_entry* entry, int kind, std::string_view attribute) const {
    if (lib_.archive_entry_acl_reset(entry, kind) <= 0) return;
    std::vector<AclEntry> list;
    int type = 0, permissions = 0, tag = 0, id = 0;
    const char* name = nullptr;
    while (lib_.archive_entry_acl_next(entry, kind, &type, &permissions, &tag, &id, &name) == ARCHIVE_OK) {
      const auto known = acl_tag(tag);
      if (!known || ((*known == AclEntry::Tag::user || *known == AclEntry::Tag::group) && id == -1)) return;
      list.push_back({*known, static_cast<std::uint16_t>(permissions & 07), static_cast<std::uint32_t>(id)});
    }
    metadata.acls.emplace_back(attribute, acl_value(std::move(list)));
  }

  /// An archive of a directory whose owners are in attributes (umoci, PRoot, containers/storage) has them there, too.
  static void take_owner(EntryMetadata& metadata, std::string_view name, const std::string& bytes) {
    if (name == kOwnerAttribute) {
      if (const auto record = parse_owner_record(bytes)) {
        metadata.uid = record->uid;
        metadata.gid = record->gid;
        metadata.mode = record->mode & 07777U;
      }
    } else if (name == kRootlessAttribute) {
      if (const auto owner = parse_rootless_owner(bytes)) {
        metadata.uid = owner->uid;
        metadata.gid = owner->gid;
      }
    }
  }

  /// Handles names with meaning to union file systems; true when the entry is done with.
  bool apply_whiteout(const std::string& path) {
    const std::string directory(parent_of(path));
    if (path == ".wh..wh..opq" || path.ends_with("/.wh..wh..opq")) {
      tree_.make_opaque(directory);
      return true;
    }
    if (path.starts_with(".wh..wh.") || path.find("/.wh..wh.") != std::string::npos) return true;  // aufs' own
    if (directory.starts_with(whiteout_prefix) || directory.find("/.wh.") != std::string::npos) {
      throw InvalidInput(fmt::format("layer archive: entry '{}' lies below a whiteout", printable(path)));
    }
    const std::string_view leaf = leaf_of(path);
    if (!leaf.starts_with(whiteout_prefix)) return false;
    const std::string hidden(leaf.substr(whiteout_prefix.size()));
    if (hidden.empty() || hidden == "." || hidden == "..") {
      throw InvalidInput(fmt::format("layer archive: whiteout '{}' names no file", printable(path)));
    }
    tree_.make_whiteout(directory.empty() ? hidden : directory + "/" + hidden);
    return true;
  }

  void apply(archive_entry* entry) {
    const char* name = lib_.archive_entry_pathname(entry);
    if (name == nullptr) throw InvalidInput("layer archive: an entry has no readable name");
    const std::string path = normalize_entry_path(name);
    const auto type = lib_.archive_entry_filetype(entry);
    const char* hard_link = lib_.archive_entry_hardlink(entry);
    if (path.empty() && (type != AE_IFDIR || hard_link != nullptr)) {
      throw InvalidInput("layer archive: the root is not a directory");
    }
    if (apply_whiteout(path)) return;
    if (hard_link != nullptr) {
      const std::string target = normalize_entry_path(hard_link);
      if (target.empty()) throw InvalidInput(fmt::format("layer archive: hard link '{}' to the root", printable(path)));
      tree_.make_hard_link(path, target);
      return;
    }
    apply_object(entry, path, type);
  }

  void apply_object(archive_entry* entry, const std::string& path, unsigned type) {
    const EntryMetadata metadata = metadata_of(entry, path);
    switch (type) {
      case AE_IFDIR:
        return tree_.make_directory(path, metadata);
      case AE_IFREG:
        return apply_file(entry, path, metadata);
      case AE_IFLNK: {
        const char* target = lib_.archive_entry_symlink(entry);
        return tree_.make_symlink(path, target == nullptr ? "" : target, metadata);
      }
      case AE_IFIFO:
        return tree_.make_fifo(path, metadata);
      case AE_IFCHR:
      case AE_IFBLK:
        return tree_.record_device(path, metadata, type == AE_IFCHR ? 'c' : 'b',
                                   static_cast<unsigned>(lib_.archive_entry_rdevmajor(entry)),
                                   static_cast<unsigned>(lib_.archive_entry_rdevminor(entry)));
      default:
        throw InvalidInput(fmt::format("layer archive: entry '{}' is of an unknown type", printable(path)));
    }
  }

  void apply_file(archive_entry* entry, const std::string& path, const EntryMetadata& metadata) {
    constexpr std::int64_t max_file_size = 8LL << 40;  // what every common file system can hold
    const std::int64_t size = lib_.archive_entry_size(entry);
    if (size < 0 || size > max_file_size) {
      throw InvalidInput(fmt::format("layer archive: file '{}' has an impossible size", printable(path)));
    }
    if (options_.content >= 0) {
      if (const Fd taken = tree_.take_file(path, options_.content, size)) {
        result_.bytes += static_cast<std::uint64_t>(size);
        return tree_.finish_file(taken.get(), path, metadata);
      }
    }
    const Fd file = tree_.create_file(path);
    const void* data = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    while (check(lib_.archive_read_data_block(archive_.get(), &data, &length, &offset))) {
      const auto end = static_cast<std::uint64_t>(offset) + length;
      if (offset < 0 || end > static_cast<std::uint64_t>(size)) {
        throw InvalidInput(fmt::format("layer archive: file '{}' has data beyond its size", printable(path)));
      }
      pwrite_all(file.get(), data, length, offset, path);
      result_.bytes += length;
    }
    sys::ftruncate(file.get(), size) | or_throw("sizing '{}' of the layer", printable(path));
    tree_.finish_file(file.get(), path, metadata);
  }

  const ArchiveLibrary& lib_ = ArchiveLibrary::get();
  const ApplyOptions& options_;
  LayerStream stream_;
  ArchiveSource source_{stream_};
  LayerTree tree_;
  std::unique_ptr<archive, decltype(&::archive_read_free)> archive_;
  AppliedLayer result_;
};

}  // namespace

AppliedLayer apply_layer(int archive_fd, int directory_fd, const ApplyOptions& options) {
  // On the heap for its buffers' sake.
  return std::make_unique<Applier>(archive_fd, directory_fd, options)->run();
}

}  // namespace sandbox::overlay
