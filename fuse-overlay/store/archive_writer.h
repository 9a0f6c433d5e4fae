// The tar format of layers, written: ustar headers, and pax records for what they can't say (pax(1), POSIX.1-2001).
// Nothing of the machine or the moment gets in, so that the same entries give the same bytes.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "fuse-overlay/store/layer_sink.h"

namespace sandbox::overlay {

struct ArchiveEntry {
  std::string path;  ///< "etc/passwd"; "" is the root.
  char type =
      '0';  ///< As in ustar: '0' file, '1' hard link, '2' symbolic link, '3' '4' devices, '5' directory, '6' fifo.
  std::string link;                          ///< Of both kinds of links.
  std::uint32_t mode = 0, uid = 0, gid = 0;  ///< mode: the lower twelve bits.
  timespec mtime{};
  unsigned major = 0, minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

/// A part of a file that holds data, in bytes.
struct Extent {
  std::uint64_t offset = 0, size = 0;
};

class ArchiveWriter {
 public:
  explicit ArchiveWriter(LayerSink& sink) : sink_(sink) {}

  void add(const ArchiveEntry& entry);  ///< Without content.
  /// With the content of `file`, whose size is `size`. Holes of some size are kept as such. Throws Conflict when the
  /// file has become shorter.
  void add_file(const ArchiveEntry& entry, int file, std::uint64_t size);
  void finish();  ///< The end of the archive.

  std::uint64_t entries() const { return entries_; }
  std::uint64_t bytes() const { return bytes_; }  ///< Of file content.

 private:
  struct Sparse {
    std::uint64_t real_size = 0;
    std::string map;
  };
  void put(const ArchiveEntry& entry, std::uint64_t size, const Sparse* sparse);
  void put_header(const ArchiveEntry& entry, const std::string& path, std::uint64_t size);
  void copy(int file, const Extent& extent, const std::string& path);

  LayerSink& sink_;
  std::uint64_t entries_ = 0, bytes_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace sandbox::overlay
