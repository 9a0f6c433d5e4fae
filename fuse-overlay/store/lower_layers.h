// What the unpacked layers below a new one say about a directory that the new one only implies: an archive with
// "home/ann/x" and no "home/ann" leaves that directory as it was (image-spec layer.md, "Changes").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fuse-overlay/store/layer_records.h"
#include "fuse-overlay/store/layer_tree.h"
#include "sandbox/base/fd.h"

namespace sandbox::overlay {

class LowerLayers {
 public:
  /// `directories`: the layers' fs/, top-most first; owners.json lies beside each where something is on record.
  /// `true_owners`: the disk shows owners, as inside a user namespace with a range.
  LowerLayers(const std::vector<std::string>& directories, bool true_owners);

  /// The directory `path` (normalized, free of symbolic links) as the merged tree shows it; none when there is no
  /// directory of that name.
  std::optional<EntryMetadata> directory(const std::string& path);

 private:
  struct Layer {
    std::string fs;
    LayerRecords records;
  };
  EntryMetadata metadata_of(Layer& layer, int fd, const std::string& path) const;

  std::vector<Layer> layers_;
  bool true_owners_;
};

}  // namespace sandbox::overlay
