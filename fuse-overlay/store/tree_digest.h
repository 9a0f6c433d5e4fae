// One number for an unpacked layer, so that damage shows.
#pragma once

#include <string>

namespace sandbox::overlay {

enum class DigestOf {
  metadata,  ///< Names, types, modes, sizes, times, targets of links: a look at each object, none is opened.
  content,   ///< That, and what the files hold.
};

/// "sha256:…" of everything below `directory`. `owners`: of who owns it, too, as this process sees it. Throws SysError;
/// InvalidInput for a tree deeper than kMaxDepth (entry_path.h).
std::string tree_digest(int directory, DigestOf what, bool owners);

}  // namespace sandbox::overlay
