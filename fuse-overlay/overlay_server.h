// "What does it see", where kernel overlayfs can't be used: a FUSE file system that merges the same
// directories in the same format, in a process of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fuse-overlay/tree/id_translation.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/json_fwd.h"

namespace sandbox::overlay {

struct ServerConfig {
  std::vector<std::string> lower;  ///< Directories of the host, top-most first.
  std::string upper, work;         ///< Both or none; none: read-only.
  struct Ids {
    uid_t uid = 0;
    gid_t gid = 0;
  };
  std::optional<Ids> squash;       ///< Ids in the user namespace, shown for everything where it maps only one.
  std::vector<IdLine> uids, gids;  ///< Ids that are shown for others.
  std::uint64_t most_bytes = 0, most_objects = 0;  ///< In the upper directory; 0: no limit.
  bool whiteout_files = false;     ///< Whiteouts in lower directories may be files (tree/format.h).
  /// The mount is the host's, made by fusermount3(1): it belongs to the user namespace that the server starts in,
  /// whichever it joins for the owners of files.
  bool on_host = false;
  bool lower_may_change = false;   ///< Somebody else writes to the lower directories: the kernel caches briefly.
};

Json to_json(const ServerConfig& config);
ServerConfig config_from_json(const Json& document);

/// Spawns `sandbox helper overlay` for a mount whose device is `fuse`, in the user namespace `user_namespace`
/// that the mount belongs to; returns when it serves. Throws Error with its reason.
HelperProcess spawn_overlay(const ServerConfig& config, const Fd& fuse, const Fd& user_namespace);

/// Spawns one that serves until nothing is left of the mount, and that nobody has to wait for.
void serve_until_unmounted(const ServerConfig& config, const Fd& fuse, const Fd& user_namespace);

/// Body of `sandbox helper overlay CONFIG_FD READY_FD LIFETIME_FD FUSE_FD USER_NAMESPACE_FD`.
int overlay_main(Fd config, Fd ready, Fd lifetime, Fd fuse, Fd user_namespace);

}  // namespace sandbox::overlay
