// The push side of a container: its writable directory, in kernel overlayfs' format, as a layer archive (image-spec
// layer.md). Runs in a process that may read all of it: root of a user namespace that maps the owners.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "fuse-overlay/store/layer_sink.h"
#include "fuse-overlay/store/object_writer.h"

namespace sandbox::overlay {

struct ArchiveOptions {
  /// The fs/ directories of the layers below, top-most first. They are looked at by name, for what the upper directory
  /// has too; no file of theirs is opened.
  std::vector<std::string> lower = {};
  bool true_owners = false;           ///< Range mode: the disk shows owners.
  std::set<std::string> mounts = {};  ///< Targets of mounts ("etc/hosts"): what was made for them alone is left out.
  RecordedObject record = {};         ///< None: there is nothing on record.
  /// Whose an object is that has no record and is no copy of the layers below's, where the disk doesn't show owners.
  Owner maker = {};
  Compression compression = Compression::none;
};

struct WrittenArchive {
  LayerSink::Written written;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;            ///< Of file data.
  std::vector<std::string> left_out;  ///< What archives have no form for: sockets, and names that begin with ".wh.".
};

/// Writes to `archive_fd`, from its current position; does not sync. Entries are sorted, each directory before what it
/// holds. Nothing that changes while it is read makes it fail, but for a file that becomes shorter (Conflict). Throws
/// SysError; InvalidInput for a tree deeper than kMaxDepth (entry_path.h).
WrittenArchive write_diff(const std::string& upper, int archive_fd, const ArchiveOptions& options);

/// The merged tree of upper directory and lower layers as an archive, without whiteouts. An empty `upper`: of the lower
/// ones alone.
WrittenArchive write_merged(const std::string& upper, int archive_fd, const ArchiveOptions& options);

}  // namespace sandbox::overlay
