// A layer archive to an unpacked layer directory in kernel overlayfs' format.
//
// Runs in any process: as the ordinary user (one-UID mode), or inside a user namespace with a range
// of IDs (`change_owner`). Whiteouts become character devices 0:0, opaque directories the
// attribute user.overlay.opaque, as a mount with `userxattr` reads them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fuse-overlay/store/layer_stream.h"
#include "sandbox/base/json.h"

namespace sandbox::overlay {

struct ApplyOptions {
  /// Range mode: give files their true owners, and record those that the namespace has no id for. One-UID mode: record
  /// them all.
  bool change_owner = false;
  /// The fs/ directories of the layers below, top-most first: they describe directories that the archive only implies.
  /// Asked for when all else is done, and only if there are such directories.
  std::function<std::vector<std::string>()> lower = {};
  /// A directory whose archive this is, on the same file system: its files are moved from there where that can be done,
  /// and not written anew. -1: none.
  int content = -1;
  GrowingFile growing = {};               ///< Where the archive is still being written.
  DigestAlgorithm algorithm = DigestAlgorithm::sha256;  ///< Of the diff id.
  std::uint64_t max_bytes = 64ULL << 30;  ///< Of the uncompressed archive.
  std::uint64_t max_entries = 10'000'000;
};

struct AppliedLayer {
  std::string diff_id;      ///< "sha256:…" of the uncompressed tar.
  std::uint64_t bytes = 0;  ///< Of file data.
  std::uint64_t entries = 0;
  bool other_owners = false;  ///< Some entry belongs to another than 0:0.
  /// {"etc/shadow": [uid, gid, mode]} for entries whose owner (other than 0:0) or mode the disk
  /// doesn't show; "." is the root. A fourth member {"capability": "<hex>"} holds a
  /// security.capability that the disk doesn't, {"type": "c"|"b", "rdev": [major, minor]} a device, which isn't made.
  /// The key of a name that isn't UTF-8 is "/" and its bytes in hexadecimal.
  Json owners;
};

/// Reads a tar (plain, gzip or zstd; detected) from `archive_fd` into the empty directory
/// `directory_fd`. Nothing outside that directory is touched whatever the archive says.
/// Does not sync. Throws InvalidInput, SysError.
AppliedLayer apply_layer(int archive_fd, int directory_fd, const ApplyOptions& options);

}  // namespace sandbox::overlay
