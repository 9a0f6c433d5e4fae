// Files to copy from, or to look a destination up in: the merged layers of an image, or one directory such as a build's
// context. Everything is opened below its root by descriptor; symbolic links are followed within the tree, as a process
// whose root it is would follow them. Runs in a process that may read the files.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuse-overlay/store/layer_records.h"
#include "fuse-overlay/store/merged_layers.h"
#include "fuse-overlay/store/object_writer.h"

namespace sandbox::build {

class FileTree {
 public:
  using Seen = overlay::MergedLayers::Seen;

  /// `directories`: layers' fs/, top-most first. `recorded`: what the disk doesn't show lies beside them; without, they
  /// are a stranger's directories, and nothing beside them is looked at.
  FileTree(std::vector<std::string> directories, bool recorded);

  bool is_recorded() const { return !records_.empty(); }

  struct Place {
    std::string path;          ///< Free of links; what doesn't exist is as it was written. "" is the root.
    std::optional<Seen> seen;  ///< None: there is nothing.
    bool is_directory() const { return seen && S_ISDIR(seen->status.st_mode); }
  };
  /// Throws InvalidInput for more than 40 links, or a way through what is no directory.
  Place resolve(std::string_view path, bool follow_last = true);
  std::optional<Seen> find(const std::string& path);
  /// Of a directory; with devices that are on record only. Sorted.
  std::map<std::string, Seen> list(const std::string& path);
  std::string link_target(const std::string& path, const Seen& seen);

  /// The object as ObjectWriter takes it. It is valid until the next call of any function.
  overlay::ObjectAt object(const std::string& path, const Seen& seen);
  std::optional<overlay::ObjectRecord> record(const std::string& path, const Seen& seen);

  /// The parts of a directory as paths, top-most first: what a mount of it would merge.
  std::vector<std::string> directories_of(const std::string& path);

 private:
  overlay::MergedLayers::Directory& open(const std::string& path);
  overlay::MergedLayers::Parts parts(const std::string& path);

  overlay::MergedLayers layers_;
  std::vector<overlay::LayerRecords> records_;  ///< Of each layer; none when nothing is recorded.
  std::map<std::string, overlay::MergedLayers::Parts> parts_;
  std::string open_path_;
  std::optional<overlay::MergedLayers::Directory> open_;
};

}  // namespace sandbox::build
