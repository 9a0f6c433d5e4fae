// Options of a mount as mount(8) and engines write them: "lowerdir=A:B,upperdir=U,workdir=W,nosuid". Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuse-overlay/overlay_server.h"

namespace sandbox::overlay {

struct MountOptions {
  ServerConfig server;
  unsigned attributes = 0;  ///< MOUNT_ATTR_… of mount_setattr(2).
};

/// As in kernel overlayfs a backslash makes a comma, a colon or a backslash part of a name. Throws InvalidInput, also
/// for an option that is not known.
MountOptions parse_mount_options(std::string_view text);

}  // namespace sandbox::overlay
