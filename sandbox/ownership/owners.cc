// See owners.h. The working directory is a procfs, by which attributes of an object that is open with O_PATH alone can
// be reached: fgetxattr(2) wants more, and setxattrat(2) is of Linux 6.13.
#include "sandbox/ownership/owners.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::ownership {

using overlay::OwnerRecord;

struct Owners::Object {
  int fd;
  struct statx status;
  bool recorded;       ///< It is on a mount whose objects have records.
  OwnerRecord record;  ///< Whose it is now.

  std::string link() const { return fmt::format("self/fd/{}", fd); }
  bool holds_attributes() const { return S_ISREG(status.stx_mode) || S_ISDIR(status.stx_mode); }
};

std::set<std::uint64_t> mounts_of(int root, std::vector<std::string> paths) {
  std::set<std::uint64_t> mounts;
  paths.emplace_back("/");
  for (const std::string& path : paths) {
    const auto point = sys::openat2(root, path.c_str(), O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (!point) continue;  // hidden by a later mount
    const struct statx status =
        sys::statx(point->get(), "", AT_EMPTY_PATH, STATX_MNT_ID) | or_throw("looking at '{}'", path);
    if ((status.stx_mask & STATX_MNT_ID) == 0) {
      throw Unsupported("recording owners needs to know mounts apart, as Linux 5.8 does",
                        "run it with --id-emulation=off");
    }
    mounts.insert(status.stx_mnt_id);
  }
  return mounts;
}

Owners::Owners(Settings settings) : settings_(std::move(settings)), file_(settings_.file.get()) {}

Owners::Object Owners::look_at(int fd) const {
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
  Object object{fd, sys::statx(fd, "", AT_EMPTY_PATH, kWanted) | or_throw("looking at an object"), false, {}};
  object.recorded = settings_.mounts.contains(object.status.stx_mnt_id);
  object.record = {settings_.uid, settings_.gid, object.status.stx_mode};
  if (!object.recorded) return object;
  Result<std::optional<OwnerRecord>> attribute = std::unexpected(Errno{EOPNOTSUPP});
  if (object.holds_attributes()) attribute = overlay::owner_attribute(object.link().c_str());
  const std::optional<OwnerRecord> known = attribute ? *attribute : find_in_file(object);
  if (!known && !settings_.upper && object.holds_attributes()) {
    if (const auto owner = overlay::rootless_attribute(object.link().c_str())) {
      object.record.uid = owner->uid;
      object.record.gid = owner->gid;
    }
  }
  if (!known) return object;
  object.record.uid = known->uid;
  object.record.gid = known->gid;
  if (!S_ISCHR(known->mode) && !S_ISBLK(known->mode)) return object;
  object.record.mode = (known->mode & S_IFMT) | (object.status.stx_mode & 07777U);
  object.record.major = known->major;
  object.record.minor = known->minor;
  return object;
}

std::optional<OwnerRecord> Owners::find_in_file(const Object& object) const {
  return file_.is_empty() ? std::nullopt : file_.find(status_in_upper(object));
}

/// The file of owners is about the upper directory's objects, whose numbers the merged tree need not show.
struct statx Owners::status_in_upper(const Object& object) const {
  if (!settings_.upper) return object.status;
  const auto path = sys::readlinkat(AT_FDCWD, object.link().c_str());
  if (!path || path->size() < 2) return {};
  constexpr std::uint64_t kWithin = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const auto upper = sys::openat2(settings_.upper.get(), path->c_str() + 1, O_PATH | O_NOFOLLOW, kWithin);
  if (!upper) return {};  // a lower layer's, a removed one, or one of another mount
  const auto status = sys::statx(upper->get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME);
  if (!status) return {};
  return *status;
}

int Owners::change(int fd, Id owner, Id group, const Credentials& process, bool privileged) {
  const Object object = look_at(fd);
  if (const int error = check_chown(process, privileged, object.record.uid, object.record.gid, owner, group))
    return error;
  // The kernel does what goes with it: it looks whether the mount is read-only, copies the object up, takes set-ID bits
  // and capabilities away, and sets the time.
  const auto done = sys::fchownat(fd, "", owner == kSame ? kSame : settings_.uid,
                                  group == kSame ? kSame : settings_.gid, AT_EMPTY_PATH);
  if (!done) return done.error().value;
  OwnerRecord wanted = object.record;
  if (owner != kSame) wanted.uid = owner;
  if (group != kSame) wanted.gid = group;
  if (!object.recorded || (wanted.uid == object.record.uid && wanted.gid == object.record.gid)) return 0;
  return store(object, wanted);
}

int Owners::store(const Object& object, const OwnerRecord& record) {
  if (!object.holds_attributes()) return record_in_file(object, record);
  const std::string text = format_owner_record(record);
  const auto set = sys::setxattr(object.link().c_str(), overlay::kOwnerAttribute, text.data(), text.size(), 0, true);
  if (set) return 0;
  return set.error().value == EOPNOTSUPP ? record_in_file(object, record) : set.error().value;
}

int Owners::record_in_file(const Object& object, const OwnerRecord& record) {
  // The change that the kernel has made has copied it up.
  const struct statx status = status_in_upper(object);
  if (status.stx_ino == 0) return 0;  // pipes, sockets and removed files end with their processes
  try {
    file_.record(status, record);
    return 0;
  } catch (const SysError& error) {
    return error.code();
  }
}

int Owners::make_device(int directory, const std::string& name, mode_t mode, dev_t device, const Credentials& process) {
  // Nobody makes a whiteout through a mounted overlay (ovl_create_object of fs/overlayfs/dir.c).
  if (S_ISCHR(mode) && device == 0) return EPERM;
  if (!look_at(directory).recorded) return EPERM;
  const auto made = sys::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode & 07777);
  if (!made) return made.error().value;
  const Object object = look_at(made->get());
  const mode_t given = (mode & S_IFMT) | (object.status.stx_mode & 07777U);
  const OwnerRecord record{process.user.file_system, process.group.file_system, given, major(device), minor(device)};
  const std::string text = format_owner_record(record);
  const auto set = sys::fsetxattr(made->get(), overlay::kOwnerAttribute, text.data(), text.size(), 0);
  if (set) return 0;
  (void)sys::unlinkat(directory, name.c_str(), 0);
  return EPERM;
}

bool Owners::are_recorded(int directory) const {
  const auto status = sys::statx(directory, "", AT_EMPTY_PATH, STATX_MNT_ID);
  return status && settings_.mounts.contains(status->stx_mnt_id);
}

int Owners::adopt(int fd, int directory, const Credentials& process) {
  const Object object = look_at(fd), parent = look_at(directory);
  if (!object.recorded) return 0;  // something has been mounted there
  OwnerRecord wanted{process.user.file_system, process.group.file_system, object.status.stx_mode};
  if ((parent.status.stx_mode & S_ISGID) != 0) wanted.gid = parent.record.gid;
  return store(object, wanted);
}

std::optional<OwnerRecord> Owners::shown(int fd) const {
  const Object object = look_at(fd);
  const bool as_it_is = object.record.uid == settings_.uid && object.record.gid == settings_.gid &&
                        object.record.mode == object.status.stx_mode;
  return as_it_is ? std::nullopt : std::optional(object.record);
}

}  // namespace sandbox::ownership
