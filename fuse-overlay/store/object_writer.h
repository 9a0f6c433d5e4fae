// Objects on disk to entries of a layer archive: what they are, whose, and their content. Runs in a process that may
// read all of them: root of a user namespace that maps their owners.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuse-overlay/store/archive_writer.h"
#include "fuse-overlay/store/layer_records.h"
#include "sandbox/base/fd.h"

namespace sandbox::overlay {

/// An object of an unpacked layer or a container's writable one.
struct ObjectAt {
  int directory = -1;
  std::string name;  ///< In `directory`; "." for a root.
  std::string path;  ///< In the tree: "etc/passwd"; "" is the root.
  struct stat status{};
};

/// What is on record of an object of a container's writable layer, when the disk doesn't show it.
using RecordedObject = std::function<std::optional<ObjectRecord>(const ObjectAt& object)>;

struct Owner {
  std::uint32_t uid = 0, gid = 0;
};

/// An object of the layers below, at the same path.
struct OldObject {
  const ObjectRecord* record = nullptr;
  struct stat status{};
};

class ObjectWriter {
 public:
  /// `true_owners`: the disk shows owners. Otherwise what has no record is `maker`'s where there is no old object, and
  /// root's where there is one.
  ObjectWriter(ArchiveWriter& archive, bool true_owners, Owner maker = {})
      : archive_(archive), true_owners_(true_owners), maker_(maker) {}

  /// The entry of `object`, without content. `record` overrules the disk; `old` is what it once was a copy of, whose
  /// record holds as far as nothing contradicts it.
  ArchiveEntry describe(const ObjectAt& object, const std::optional<ObjectRecord>& record, const OldObject* old) const;

  /// Writes anything but directories; further names of a file become hard links to the first. False for what has no
  /// form in an archive (a socket), or is gone meanwhile.
  bool write(const ObjectAt& object, const std::optional<ObjectRecord>& record, const OldObject* old);
  /// A device that is on record only.
  void write_device(const std::string& path, const ObjectRecord& record, const timespec& mtime);

 private:
  void write_file(ArchiveEntry entry, const Fd& file);

  ArchiveWriter& archive_;
  bool true_owners_;
  Owner maker_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;  ///< Of files with several.
};

/// Extended attributes included. `fd`: the directory.
ArchiveEntry describe_directory(const ObjectWriter& writer, const ObjectAt& object, int fd,
                                const std::optional<ObjectRecord>& record, const OldObject* old);

}  // namespace sandbox::overlay
