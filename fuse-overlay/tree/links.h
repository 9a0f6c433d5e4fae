// Which names the files of a layer have that have more than one: hard links stay together when one of them is
// copied up. Read once for each layer, when it is first needed. Any worker thread.
#pragma once

#include <sys/types.h>

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace sandbox::overlay {

class LayerLinks {
 public:
  /// Paths, relative to the layer's root, of the names that inode `number` has on the root's own file system.
  /// `root`: the layer's directory. Unreadable directories are passed over.
  const std::vector<std::string>& names_of(int root, ino_t number);

 private:
  void read(int root);

  std::once_flag read_once_;
  std::unordered_map<ino_t, std::vector<std::string>> names_;
};

}  // namespace sandbox::overlay
