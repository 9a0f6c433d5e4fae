// The files of a build's steps: layers that are there, unpacked when somebody looks at them, and new ones made. Runs in
// the process of a step, or in the client.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fuse-overlay/store/diff.h"
#include "sandbox/build/file_tree.h"
#include "sandbox/build/solver.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

class StepFiles {
 public:
  explicit StepFiles(const Places& places);

  const image::ImageStore& store() const { return store_; }
  const FoundRange& range() const { return range_; }
  /// Where a build::ContentCache of the directory is kept.
  std::string content_cache(const std::string& directory) const;
  /// An image without a name.
  image::Image image_of(const build::Files& files) const;
  /// Unpacks what is missing; directories of layers, top-most first.
  std::vector<std::string> unpack(const build::Files& files);
  /// `layer` on top of `base` is unpacked by moving the files of `upper`, whose archive it is. Where that fails it is
  /// left to whoever needs them.
  void take_unpacked(const build::Files& base, const build::Layer& layer, const std::string& upper);
  build::FileTree tree(const build::Files& files) { return {unpack(files), true}; }

  /// Runs `act` in a child that may read all of them.
  std::string as_root(const std::function<std::string()>& act) const;
  bool true_owners() const { return range_.kept.has_value(); }

  /// `write` puts an archive into the file. The layer is in the store when this returns; without entries there is none,
  /// and the digest is empty. `left_out` is told what has no form in an archive.
  build::Layer make_layer(const std::function<overlay::WrittenArchive(int file)>& write,
                          const std::function<void(const std::string& path)>& left_out);

 private:
  Places places_;
  image::ImageStore store_;
  FoundRange range_;
};

/// An archive's description, for the way out of a child process.
std::string encode_written(const overlay::WrittenArchive& archive);
overlay::WrittenArchive decode_written(const std::string& text);

}  // namespace sandbox::engine
