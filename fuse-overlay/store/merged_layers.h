// Unpacked layers as one tree, looked at from outside a mount: which of them has what. Runs in a process that may read
// them; descriptors are held for one directory at a time, however many layers there are.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/base/fd.h"

namespace sandbox::overlay {

/// user.overlay.opaque is 'y'.
bool is_opaque(int directory);
/// Kernel overlayfs has two forms: a character device 0:0, and since Linux 6.7 an empty file with a mark.
bool is_whiteout(int directory, const char* name, const struct stat& status);

class MergedLayers {
 public:
  /// Layers that have a part in a directory, by their number, top-most first.
  using Parts = std::vector<std::size_t>;

  struct Seen {
    std::size_t layer = 0;
    struct stat status{};
  };

  /// One directory, opened in its layers.
  class Directory {
   public:
    /// What the merged tree has at a name.
    std::optional<Seen> find(const std::string& name) const;
    std::map<std::string, Seen> entries() const;
    /// The parts of a subdirectory: down to the first layer that hides those below it.
    Parts parts_of(const std::string& name) const;
    /// Whether a layer above `layer` has said something about a name.
    bool hides(const std::string& name, std::size_t layer) const;
    /// The descriptor of one of its layers.
    int of(std::size_t layer) const;

   private:
    friend class MergedLayers;
    std::vector<std::pair<std::size_t, Fd>> parts_;
  };

  /// `directories`: the layers' fs/, top-most first.
  explicit MergedLayers(std::vector<std::string> directories);

  Parts root() const;
  /// Precondition: `parts` are those of `path`.
  Directory open(const std::string& path, const Parts& parts) const;
  const std::string& fs(std::size_t layer) const { return directories_[layer]; }
  std::size_t size() const { return directories_.size(); }

 private:
  std::vector<std::string> directories_;
};

/// Names of the entries of an open directory, sorted.
std::vector<std::string> sorted_names(int directory);

}  // namespace sandbox::overlay
