// Names in a tree that may be a stranger's, and what is found there as an archive. Runs in a process that may read it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fuse-overlay/store/object_writer.h"
#include "sandbox/base/fd.h"
#include "sandbox/engine/copy_paths.h"

namespace sandbox::engine {

/// Where paths are resolved: below a root that nothing leads out of, or on this machine.
class Tree {
 public:
  /// This machine's, as the caller sees it.
  static Tree local();
  /// Below `root`, which is borrowed.
  static Tree below(int root);

  /// O_PATH and O_NOFOLLOW unless `follow`. Throws SysError; `path` is named as given.
  Fd open(const std::string& path, bool follow) const;
  /// None when nothing is there.
  std::optional<Fd> find(const std::string& path, bool follow) const;

 private:
  Tree(int root, std::uint64_t resolve) : root_(root), resolve_(resolve) {}
  std::string below_root(const std::string& path) const;
  int root_;
  std::uint64_t resolve_;
};

/// A path whose last part may be missing: symbolic links are followed, also to where nothing is.
struct FinalPlace {
  Fd parent;         ///< O_PATH
  std::string name;  ///< In `parent`; empty: the path is that directory itself.
  std::optional<struct stat> status;
};
/// Throws SysError when the parent directory is missing, and for loops.
FinalPlace find_final(const Tree& tree, const std::string& path);

struct TreeArchiveOptions {
  bool true_owners = false;  ///< The disk shows owners; otherwise all that has no record is root's.
  overlay::RecordedObject record = {};
  std::set<std::string> empty = {};  ///< Paths in the archive of directories whose content is left out.
};

/// The object at `object` (O_PATH) with all below it as an uncompressed archive, under `name`; with an empty name the
/// contents of the directory alone. Returns the number of bytes; paths without a form in an archive go to `left_out`.
/// Throws SysError, Conflict, InvalidInput.
std::uint64_t write_tree_archive(const Fd& object, const std::string& name, int archive_fd,
                                 const TreeArchiveOptions& options, std::vector<std::string>& left_out);

}  // namespace sandbox::engine
