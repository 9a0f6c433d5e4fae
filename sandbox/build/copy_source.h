// What a COPY selects from a tree: wildcards, what .dockerignore and --exclude leave out, and a digest of it all that
// changes when anything does that will be in the layer, but for times. Runs where the tree can be read.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sandbox/build/content_cache.h"
#include "sandbox/build/file_tree.h"
#include "sandbox/build/ignore.h"

namespace sandbox::build {

struct Selection {
  std::string path;    ///< Free of links.
  std::string name;    ///< Its last name as it was asked for.
  std::string within;  ///< With `parents`: where below the destination it goes, "a/b/name".
  bool directory = false;
};

class CopySource {
 public:
  CopySource(FileTree tree, IgnoreRules ignored, std::vector<std::string> excludes);

  /// digests() looks there for what files hold, and notes it. `cache` outlives this.
  void use(ContentCache& cache) { cache_ = &cache; }

  /// Throws NotFound for what isn't there, or matches nothing.
  std::vector<Selection> select(const std::string& pattern, bool parents);

  /// Called with the path below the selection ("" for itself), directories before what they hold. A directory that is
  /// ignored comes only with something in it that isn't.
  using Visit = std::function<void(const std::string& below, const std::string& path, const FileTree::Seen& seen)>;
  void walk(const Selection& selection, const Visit& visit);

  /// Of each object that is selected, by its path in the tree ("." for the root): "sha256:…". A selection's name and
  /// place count, too.
  std::map<std::string, std::string> digests(const std::vector<Selection>& selections);

  FileTree& tree() { return tree_; }

 private:
  struct Pending {
    std::string below, path;
    FileTree::Seen seen;
  };
  bool ignored(const std::string& path) const { return !path.empty() && ignored_.ignores(path); }
  void match(const std::vector<std::string>& names, std::size_t at, const std::string& path,
             std::vector<std::string>& found);
  void match_below(const std::string& path, const PathPattern& pattern, std::vector<std::string>& found,
                   std::size_t depth);
  void walk_directory(const std::string& below, const std::string& path, std::vector<Pending>& pending,
                      const Visit& visit, std::size_t depth);
  std::string object_digest(const std::string& path, const FileTree::Seen& seen, const std::string& place);
  std::string content_digest(const std::string& path, const FileTree::Seen& seen);

  FileTree tree_;
  IgnoreRules ignored_, excluded_;
  ContentCache* cache_ = nullptr;
  std::vector<char> buffer_;
};

}  // namespace sandbox::build
