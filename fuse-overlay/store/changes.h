// What a container's writable layer changes of the merged layers below it. Runs in a process that may read the layers:
// the user's, or one inside the user's namespace with a range of ids.
#pragma once

#include <string>
#include <vector>

namespace sandbox::overlay {

enum class ChangeKind { changed, added, deleted };

struct Change {
  ChangeKind kind{};
  std::string path;  ///< "etc/passwd"
  bool operator==(const Change&) const = default;
};

/// Sorted by path. `lower`: the layers' fs/ directories, top-most first; `upper`: in the format of kernel overlayfs. A
/// directory in which something has changed is changed. Throws SysError; InvalidInput for a tree deeper than kMaxDepth
/// (entry_path.h).
std::vector<Change> changes_of(const std::vector<std::string>& lower, const std::string& upper);

}  // namespace sandbox::overlay
