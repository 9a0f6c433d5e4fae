// Names on disk. Extended attributes all begin as kernel overlayfs' own, which it hides from users.
#pragma once

#include <string>
#include <string_view>

namespace sandbox::overlay {

inline constexpr std::string_view kPrivatePrefix = "user.overlay.";
inline constexpr const char* kOpaque = "user.overlay.opaque";  ///< 'y': hides lower ones; 'x': has marked whiteouts.
inline constexpr const char* kWhiteout = "user.overlay.whiteout";        ///< On an empty file (Linux 6.7).
inline constexpr const char* kOriginalIno = "user.overlay.sandbox.ino";  ///< Ours: st_ino before the copy-up, decimal.

/// Ours, on an upper directory: some object in it has kOriginalIno.
inline constexpr const char* kNumbered = "user.overlay.sandbox.numbered";

/// Ours, on the upper layer's root: a name was removed of a lower file that has others, so that its links are counted.
inline constexpr const char* kHidesLinks = "user.overlay.sandbox.hides_links";

inline constexpr const char* kCapability = "security.capability";
inline constexpr std::size_t kMostNames = 65536;  ///< XATTR_LIST_MAX, and XATTR_SIZE_MAX.
inline constexpr char kIsOpaque = 'y', kHasMarkedWhiteouts = 'x';
/// The value of kOpaque at a directory; 0: none.
char opaque_mark(int directory, const std::string& name);

// Whiteouts as files, in layers that an engine has unpacked where it thinks that devices can't be made (image-spec
// layer.md, "Whiteouts"): no such name exists in a lower layer then.
inline constexpr std::string_view kWhiteoutFilePrefix = ".wh.";         ///< Before the name that it hides.
inline constexpr const char* kOpaqueFile = ".wh..wh..opq";              ///< Hides all that lower layers have here.

/// A user's own attribute whose name begins as ours is kept under a name with a second "overlay.", as kernel overlayfs
/// does since Linux 6.7 (overlayfs.rst, "Nesting overlayfs mounts").
inline constexpr std::string_view kEscapedPrefix = "user.overlay.overlay.";

/// Of names on disk: part of the format, and not a user's.
inline bool is_private(std::string_view name) {
  return name.starts_with(kPrivatePrefix) && !name.starts_with(kEscapedPrefix);
}

}  // namespace sandbox::overlay
