// A layer archive to an unpacked layer directory in kernel overlayfs' format.
#pragma once

#include <cstdint>
#include <string>

#include "sandbox/base/json.h"

namespace sandbox::overlay {

struct ApplyOptions {
  bool change_owner = false;  ///< Range mode: give files their true owners. One-UID mode: record them.
  std::uint64_t max_bytes = 64ULL << 30;
  std::uint64_t max_entries = 10'000'000;
};

struct AppliedLayer {
  std::string diff_id;   ///< "sha256:…" of the uncompressed tar.
  std::uint64_t bytes = 0, entries = 0;
  Json owners;           ///< {"path": [uid, gid, mode]} for entries not owned 0:0 that were not given their owner.
};

/// Reads a tar (plain, gzip or zstd; detected) from `archive_fd` into the empty directory
/// `directory_fd`. Nothing outside that directory is touched whatever the archive says.
/// Does not sync. Throws InvalidInput, SysError.
AppliedLayer apply_layer(int archive_fd, int directory_fd, const ApplyOptions& options);

}  // namespace sandbox::overlay
