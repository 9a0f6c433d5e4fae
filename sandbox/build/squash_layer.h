// Several layers as one: what is different on top of them from below them. Runs where the trees can be read.
#pragma once

#include <cstddef>

#include "fuse-overlay/store/diff.h"
#include "sandbox/build/file_tree.h"

namespace sandbox::build {

/// `whole`: the tree of all layers, of which the `added` ones on top are to become one; `below`: that of the others.
/// See overlay::write_diff. Entries are sorted; what is the same in both may be among them.
overlay::WrittenArchive write_squashed(FileTree& whole, std::size_t added, FileTree& below, int archive_fd,
                                       bool true_owners);

}  // namespace sandbox::build
