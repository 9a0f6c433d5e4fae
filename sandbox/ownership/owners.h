// Who owns what, by the record (fuse-overlay/store/owner_record.h), and changes of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "fuse-overlay/store/owner_record.h"
#include "sandbox/base/fd.h"
#include "sandbox/ownership/credentials.h"

namespace sandbox::ownership {

/// The mounts of the root and of `paths` in it, for Owners::Settings. Throws SysError, and Unsupported before Linux 5.8.
std::set<std::uint64_t> mounts_of(int root, std::vector<std::string> paths);

class Owners {
 public:
  struct Settings {
    Id uid = 0, gid = 0;  ///< Those that the user namespace maps: every object of ours is theirs on the disk.
    /// Those whose objects have records (statx(2), stx_mnt_id).
    std::set<std::uint64_t> mounts;
    Fd upper;    ///< The root's upper directory; none: the root is a directory as it is.
    Fd file;     ///< Of overlay::OwnerFile.
  };
  explicit Owners(Settings settings);

  /// chown(2) of an object, opened O_PATH, by a process. Objects of other mounts, which are the host's, stay as they
  /// are; so does what the user may not change. Returns 0 or an error number.
  int change(int object, Id owner, Id group, const Credentials& process, bool privileged);

  /// mknod(2) of a device, by one who may: an empty file with the record. `mode`: type and permission bits; those of
  /// this process's umask are taken away.
  int make_device(int directory, const std::string& name, mode_t mode, dev_t device, const Credentials& process);

  /// Whether objects of a directory have records.
  bool are_recorded(int directory) const;
  /// Records an object that has just been made in `directory` as the process's: of the directory's group where that has
  /// the set-group-ID bit (inode(7)). Returns 0 or an error number.
  int adopt(int object, int directory, const Credentials& process);

  /// Whose an object is, opened O_PATH, and what it is if it is a device. None: it is as the disk shows it.
  std::optional<overlay::OwnerRecord> shown(int object) const;

 private:
  struct Object;
  Object look_at(int object) const;
  int store(const Object& object, const overlay::OwnerRecord& record);
  int record_in_file(const Object& object, const overlay::OwnerRecord& record);
  std::optional<overlay::OwnerRecord> find_in_file(const Object& object) const;
  struct statx status_in_upper(const Object& object) const;

  Settings settings_;
  overlay::OwnerFile file_;
};

}  // namespace sandbox::ownership
