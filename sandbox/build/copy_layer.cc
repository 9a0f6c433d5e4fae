// See copy_layer.h. Which attributes a directory gets is as in fsutil's copy, which BuildKit uses: one that exists
// stays as it is if it is the destination itself, and gets the source's if it is below.
#include "sandbox/build/copy_layer.h"

#include <algorithm>

#include "fuse-overlay/store/archive_walk.h"
#include "fuse-overlay/store/attributes.h"
#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::build {
namespace {

std::string join(const std::string& directory, const std::string& name) {
  return directory.empty() || name.empty() ? directory + name : directory + "/" + name;
}

}  // namespace

CopyLayer::CopyLayer(FileTree& base, CopyOptions options) : base_(base), options_(std::move(options)) {
  destination_ = base_.resolve(options_.destination);
  into_directory_ = options_.destination.ends_with('/') || destination_.is_directory();
  if (destination_.seen && !destination_.is_directory()) {
    if (options_.destination.ends_with('/')) {
      throw InvalidInput(fmt::format("cannot copy to non-directory: {}", options_.destination));
    }
    destination_ = base_.resolve(options_.destination, false);  // a link to a file is replaced, not followed
  }
}

/// Where the selection itself goes.
std::string CopyLayer::place_for(const Selection& selection) {
  if (!selection.within.empty()) {
    // Directories of the base may be links.
    const std::string parent(overlay::parent_of(selection.within));
    const std::string whole = join(destination_.path, parent);
    return join(base_.resolve(whole).path, std::string(overlay::leaf_of(selection.within)));
  }
  if (selection.directory || !into_directory_) return destination_.path;
  return join(destination_.path, selection.name);
}

/// The directories above `path` that don't exist.
void CopyLayer::make_parents(const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string directory = path.substr(0, end);
    if (entries_.contains(directory)) continue;
    const FileTree::Place place = base_.resolve(directory, false);
    if (!place.seen)
      entries_[directory] = {nullptr, "", false, true};
    else if (!place.is_directory())
      throw InvalidInput(fmt::format("cannot copy to non-directory: /{}", directory));
  }
}

void CopyLayer::put(const std::string& target, Entry entry) {
  const auto [there, is_new] = entries_.try_emplace(target, entry);
  if (!is_new) {
    if (there->second.directory != entry.directory) {
      throw InvalidInput(fmt::format("/{} would be a directory and something else", target));
    }
    there->second = std::move(entry);
  }
}

void CopyLayer::add(CopySource& source, const std::vector<Selection>& selections, bool owned) {
  // With a "/" at its end the destination is one of the directories on the way.
  const bool destination_made = options_.destination.ends_with('/') && !destination_.path.empty();
  if (destination_made) make_parents(destination_.path + "/");
  for (const Selection& selection : selections) {
    const std::string top = place_for(selection);
    make_parents(top);
    const bool in_base =
        base_.resolve(top, false).is_directory();  // whether what follows may meet something of the base
    source.walk(selection, [&](const std::string& below, const std::string& path, const FileTree::Seen& seen) {
      const std::string target = join(top, below);
      const bool directory = S_ISDIR(seen.status.st_mode);
      if (target.empty()) return;  // the root
      const FileTree::Place old = in_base || below.empty() ? base_.resolve(target, false) : FileTree::Place{};
      if (directory && old.seen && !old.is_directory()) {
        throw InvalidInput(fmt::format("cannot copy to non-directory: /{}", target));
      }
      if (!directory && old.is_directory())
        throw InvalidInput(fmt::format("cannot copy a file over directory /{}", target));
      const bool stays =
          below.empty() && directory && selection.within.empty() && (old.is_directory() || destination_made);
      if (!stays) put(target, {&source, path, owned, directory, seen});
    });
  }
}

void CopyLayer::add_destination() {
  if (destination_.is_directory()) return;
  if (destination_.seen) throw InvalidInput(fmt::format("/{} is not a directory", destination_.path));
  make_parents(destination_.path);
  put(destination_.path, {nullptr, "", false, true});
}

/// The owner and mode that the entry gets, where they differ from the disk's.
std::optional<overlay::ObjectRecord> CopyLayer::record_of(const Entry& entry) const {
  const struct stat& status = entry.seen.status;
  auto record = entry.source->tree().record(entry.path, entry.seen);
  if (!record) {
    record.emplace();
    if (entry.owned && true_owners_) record->uid = status.st_uid, record->gid = status.st_gid;
    record->mode = status.st_mode & 07777U;
  }
  if (options_.owner) record->uid = options_.owner->uid, record->gid = options_.owner->gid;
  if (options_.mode) record->mode = options_.mode->applied(record->mode, entry.directory);
  return record;
}

void CopyLayer::write_entry(const std::string& target, const Entry& entry, overlay::ArchiveWriter& archive,
                            overlay::ObjectWriter& writer, overlay::WrittenArchive& result) {
  if (entry.source == nullptr) {
    const CopyOwner owner = options_.owner.value_or(CopyOwner{});
    archive.add({.path = target,
                 .type = '5',
                 .link = {},
                 .mode = 0755,
                 .uid = owner.uid,
                 .gid = owner.gid,
                 .mtime = options_.now,
                 .xattrs = {}});
    return;
  }
  const auto record = record_of(entry);
  overlay::ObjectAt object = entry.source->tree().object(entry.path, entry.seen);
  object.path = target;
  if (entry.directory) {
    const Fd directory = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW) |
                         or_throw("opening '/{}'", overlay::printable(entry.path));
    archive.add(overlay::describe_directory(writer, object, directory.get(), record, nullptr));
  } else if (!writer.write(object, record, nullptr)) {
    if (S_ISREG(entry.seen.status.st_mode) || S_ISLNK(entry.seen.status.st_mode)) {
      throw Conflict(fmt::format("'/{}' was changed while it was copied", overlay::printable(entry.path)));
    }
    result.left_out.push_back(entry.path);
  }
}

overlay::WrittenArchive CopyLayer::write(int archive_fd, bool true_owners) {
  true_owners_ = true_owners;
  overlay::ArchiveOptions options;
  options.compression = overlay::Compression::gzip;
  return overlay::write_archive(archive_fd, options,
                                [&](overlay::ArchiveWriter& archive, overlay::WrittenArchive& result) {
                                  overlay::ObjectWriter writer(archive, true_owners);
                                  for (const auto& [target, entry] : entries_)
                                    write_entry(target, entry, archive, writer, result);
                                });
}

}  // namespace sandbox::build
