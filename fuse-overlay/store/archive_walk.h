// What the walks that write a container's archives (diff.h) have in common.
#pragma once

#include "fuse-overlay/store/archive_writer.h"
#include "fuse-overlay/store/diff.h"
#include "fuse-overlay/store/layer_sink.h"

namespace sandbox::overlay {

/// A whole archive, whose entries `walk(archive, result)` writes, noting what it leaves out.
template <class Walk>
WrittenArchive write_archive(int archive_fd, const ArchiveOptions& options, const Walk& walk) {
  WrittenArchive result;
  LayerSink sink(archive_fd, options.compression);
  ArchiveWriter archive(sink);
  walk(archive, result);
  archive.finish();
  result.written = sink.finish();
  result.entries = archive.entries();
  result.bytes = archive.bytes();
  return result;
}

}  // namespace sandbox::overlay
