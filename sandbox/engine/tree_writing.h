// An archive into a directory that may be a stranger's: nothing outside of it is touched, whatever the archive says and
// whatever others do in there meanwhile. Runs in a process that may write to it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sandbox/base/fd.h"

namespace sandbox::engine {

struct WritingTarget {
  Fd directory;      ///< O_PATH
  std::string name;  ///< Of what the archive holds first; empty: the contents of that directory go into ours.
};

struct TreeWritingOptions {
  /// Called before the first entry: where what follows goes. None: entries keep their names, below `directory`.
  std::function<WritingTarget(bool is_directory)> choose = {};
  int directory = -1;  ///< Borrowed, O_PATH; without `choose`.
  /// Makes `object` (O_PATH) belong to the ids of its entry. None: things belong to who makes them.
  std::function<void(int object, std::uint32_t uid, std::uint32_t gid, const std::string& path)> give_owner = {};
  bool set_ids = false;                                        ///< Set-user-ID and set-group-ID bits are kept.
  std::function<void(const std::string& path)> left_out = {};  ///< Told of devices, which no user makes.
};

/// Reads an archive (tar, plain or compressed) to its end. What is in the way of a file is replaced, a directory over a
/// directory keeps its content. Returns the number of bytes of its files. Throws Error in Docker's words when a
/// directory would replace something else, or the other way round; InvalidInput for a malformed archive; SysError.
std::uint64_t write_tree(int archive_fd, const TreeWritingOptions& options);

}  // namespace sandbox::engine
