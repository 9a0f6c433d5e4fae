// Names of extended attributes on disk. All begin as kernel overlayfs' own, which it hides from users.
#pragma once

#include <string_view>

namespace sandbox::overlay {

inline constexpr std::string_view kPrivatePrefix = "user.overlay.";
inline constexpr const char* kOpaque = "user.overlay.opaque";      ///< 'y': hides lower ones; 'x': has marked whiteouts.
inline constexpr const char* kWhiteout = "user.overlay.whiteout";  ///< On an empty file (Linux 6.7).
inline constexpr const char* kOriginalIno = "user.overlay.sandbox.ino";  ///< Ours: st_ino before the copy-up, decimal.

inline bool is_private(std::string_view name) { return name.starts_with(kPrivatePrefix); }

}  // namespace sandbox::overlay
