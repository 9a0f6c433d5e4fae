// Words of mount(8) for what the kernel keeps of one mount, rather than of a file system.
#pragma once

#include <linux/mount.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace sandbox {

/// MOUNT_ATTR_* of mount_setattr(2) that the word sets, and those that it clears first.
struct MountWord {
  std::string_view name;
  std::uint64_t set, clear;
};

// What sets an access time mode has to clear the one before. "norelatime" undoes nothing: that mode is the kernel's own.
inline constexpr MountWord kMountWords[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", 0, 0},
};

/// nullptr: no word of these.
inline const MountWord* find_mount_word(std::string_view name) {
  const auto* word = std::ranges::find(kMountWords, name, &MountWord::name);
  return word == std::end(kMountWords) ? nullptr : word;
}

}  // namespace sandbox
