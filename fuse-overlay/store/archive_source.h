// libarchive's view of a LayerStream. Header only: libarchive is loaded at first use.
#pragma once

#include <exception>

#include "fuse-overlay/store/archive_library.h"
#include "fuse-overlay/store/layer_stream.h"

namespace sandbox::overlay {

/// For archive_read_open(3): `lib.archive_read_open(a, &source, nullptr, &ArchiveSource::read, nullptr)`.
struct ArchiveSource {
  LayerStream& stream;
  std::exception_ptr failure = {};  ///< What the stream has thrown waits here while C frames are left.

  static la_ssize_t read(archive*, void* self, const void** data) {
    auto& source = *static_cast<ArchiveSource*>(self);
    try {
      const auto block = source.stream.next();
      *data = block.data();
      return static_cast<la_ssize_t>(block.size());
    } catch (...) {
      source.failure = std::current_exception();
      return -1;
    }
  }
};

}  // namespace sandbox::overlay
