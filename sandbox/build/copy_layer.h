// A COPY as a layer: first the list of its entries, then the archive. Nothing is unpacked or mounted for it. Runs where
// the trees can be read.
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fuse-overlay/store/diff.h"
#include "sandbox/build/copy_source.h"
#include "sandbox/build/mode_change.h"

namespace sandbox::build {

struct CopyOwner {
  std::uint32_t uid = 0, gid = 0;
};

struct CopyOptions {
  std::string destination;         ///< Absolute; "/" at its end: a directory.
  std::optional<CopyOwner> owner;  ///< None: as in the source.
  std::optional<ModeChange> mode;
  timespec now{};  ///< Of directories that are made on the way.
};

class CopyLayer {
 public:
  /// `base`: the tree that the layer comes on top of.
  CopyLayer(FileTree& base, CopyOptions options);

  /// Several sources may put something in one place: the last one counts. `source` is used until write(); `owned`: its
  /// files have owners, others are root's. Throws InvalidInput where a directory would replace something else, or the
  /// other way round.
  void add(CopySource& source, const std::vector<Selection>& selections, bool owned);
  /// The destination as a directory, with those above it, unless it is there.
  void add_destination();
  /// Writes all of it; see overlay::write_diff. `true_owners`: the disk shows owners.
  overlay::WrittenArchive write(int archive_fd, bool true_owners);

 private:
  struct Entry {
    CopySource* source = nullptr;  ///< None: a directory on the way.
    std::string path;
    bool owned = false, directory = false;
    FileTree::Seen seen{};
  };
  std::string place_for(const Selection& selection);
  void make_parents(const std::string& path);
  void put(const std::string& target, Entry entry);
  void write_entry(const std::string& target, const Entry& entry, overlay::ArchiveWriter& archive,
                   overlay::ObjectWriter& writer, overlay::WrittenArchive& result);
  std::optional<overlay::ObjectRecord> record_of(const Entry& entry) const;

  FileTree& base_;
  CopyOptions options_;
  FileTree::Place destination_;
  bool into_directory_ = false;
  std::map<std::string, Entry> entries_;  ///< By where they go.
  bool true_owners_ = false;
};

}  // namespace sandbox::build
