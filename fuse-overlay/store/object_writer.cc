// See object_writer.h.
#include "fuse-overlay/store/object_writer.h"

#include <algorithm>

#include "fuse-overlay/store/attributes.h"
#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

char type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return '0';
    case S_IFLNK:
      return '2';
    case S_IFDIR:
      return '5';
    case S_IFIFO:
      return '6';
    default:
      return 0;  // a socket, or a device: those are in records alone
  }
}

bool same_time(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

bool same_content(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && same_time(a.st_mtim, b.st_mtim);
}

void add_capability(ArchiveEntry& entry, const std::string& capability) {
  const auto is_capability = [](const auto& attribute) { return attribute.first == "security.capability"; };
  if (capability.empty() || std::ranges::any_of(entry.xattrs, is_capability)) return;
  entry.xattrs.emplace_back("security.capability", capability);
  std::ranges::sort(entry.xattrs);
}

std::string capability_of(const struct stat& status, const std::optional<ObjectRecord>& record, const OldObject* old) {
  if (record && !record->capability.empty()) return record->capability;
  // The kernel takes it from a file that is written to (capabilities(7)).
  return old != nullptr && old->record != nullptr && same_content(status, old->status) ? old->record->capability : "";
}

}  // namespace

ArchiveEntry ObjectWriter::describe(const ObjectAt& object, const std::optional<ObjectRecord>& record,
                                    const OldObject* old) const {
  const struct stat& status = object.status;
  ArchiveEntry entry{
      .path = object.path, .type = type_of(status.st_mode), .link = {}, .mtime = status.st_mtim, .xattrs = {}};
  const Owner unseen = old == nullptr ? maker_ : Owner{};
  entry.uid = true_owners_ ? status.st_uid : unseen.uid;
  entry.gid = true_owners_ ? status.st_gid : unseen.gid;
  entry.mode = status.st_mode & 07777U;
  if (record) {
    entry.uid = record->uid;
    entry.gid = record->gid;
    entry.mode = record->mode;
  } else if (old != nullptr && old->record != nullptr) {
    const bool kept_owner = entry.uid == 0 && entry.gid == 0;
    if (kept_owner) entry.uid = old->record->uid;
    if (kept_owner) entry.gid = old->record->gid;
    if (((status.st_mode ^ old->status.st_mode) & 07777U) == 0) entry.mode = old->record->mode;
  }
  if (entry.type == '2') entry.mode = 0777;
  return entry;
}

void ObjectWriter::write_file(ArchiveEntry entry, const Fd& file) {
  const struct stat status = sys::fstat(file.get()) | or_throw("reading '{}' of a layer", printable(entry.path));
  if (!S_ISREG(status.st_mode)) throw Conflict(fmt::format("'{}' is no file any more", printable(entry.path)));
  archive_.add_file(entry, file.get(), static_cast<std::uint64_t>(status.st_size));
}

bool ObjectWriter::write(const ObjectAt& object, const std::optional<ObjectRecord>& record, const OldObject* old) {
  ArchiveEntry entry = describe(object, record, old);
  if (record && record->device != 0) return write_device(object.path, *record, object.status.st_mtim), true;
  if (entry.type == 0) return false;
  const std::pair file_id{object.status.st_dev, object.status.st_ino};
  const bool shared = object.status.st_nlink > 1;
  if (const auto first = first_names_.find(file_id); shared && first != first_names_.end()) {
    entry.type = '1';
    entry.link = first->second;
    archive_.add(entry);
    return true;
  }
  if (entry.type == '0') {
    auto file = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file && file.error().value == ENOENT) return false;
    if (!file) throw SysError(file.error(), fmt::format("opening '{}' of a layer", printable(object.path)));
    entry.xattrs = layer_attributes(file->get());
    add_capability(entry, capability_of(object.status, record, old));
    write_file(std::move(entry), *file);
  } else {
    if (entry.type == '2') {
      const auto target = sys::readlinkat(object.directory, object.name.c_str());
      if (!target && target.error().value == ENOENT) return false;
      if (!target) throw SysError(target.error(), fmt::format("reading link '{}' of a layer", printable(object.path)));
      entry.link = *target;
    }
    archive_.add(entry);
  }
  if (shared) first_names_.emplace(file_id, object.path);
  return true;
}

void ObjectWriter::write_device(const std::string& path, const ObjectRecord& record, const timespec& mtime) {
  archive_.add({.path = path,
                .type = record.device == 'b' ? '4' : '3',
                .link = {},
                .mode = record.mode,
                .uid = record.uid,
                .gid = record.gid,
                .mtime = mtime,
                .major = record.major,
                .minor = record.minor,
                .xattrs = {}});
}

ArchiveEntry describe_directory(const ObjectWriter& writer, const ObjectAt& object, int fd,
                                const std::optional<ObjectRecord>& record, const OldObject* old) {
  ArchiveEntry entry = writer.describe(object, record, old);
  entry.xattrs = layer_attributes(fd);
  return entry;
}

}  // namespace sandbox::overlay
