// The pull side of a layer: a compressed archive read from a descriptor, handed on uncompressed, in blocks, while its
// digest runs. A thread of its own reads and inflates, which takes as long as all that is done with the blocks. Memory
// is bounded whatever the input (zstd windows to 128 MiB). The file may be one that is still being written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "fuse-overlay/store/decoder.h"
#include "fuse-overlay/store/read_ahead.h"
#include "sandbox/base/digest.h"

namespace sandbox::overlay {

/// Of a file that grows: waits until it has more than `position` bytes and returns how many; when no more will come,
/// `position`. Throws when nobody needs them any more (`stop`), or they will never come.
using GrowingFile = std::function<std::uint64_t(std::uint64_t position, const std::stop_token& stop)>;

struct LayerStreamOptions {
  std::uint64_t max_bytes = 64ULL << 30;                            ///< That the uncompressed stream may have.
  GrowingFile growing = {};                                         ///< Without it the file is whole.
  std::optional<DigestAlgorithm> digest = DigestAlgorithm::sha256;  ///< None: finish() is not called.
  bool passes_others = false;  ///< What is compressed in another way (xz, bzip2) comes as it is, and is not refused.
};

class LayerStream {
 public:
  /// Borrows `fd`, which is read from its current position; with `growing` a regular file at its beginning.
  LayerStream(int fd, const LayerStreamOptions& options);

  /// The next uncompressed bytes, valid until the next call; empty at the end. Throws InvalidInput
  /// for damaged, truncated or too much data, SysError.
  std::span<const std::byte> next();

  /// Reads what is left and gives the digest of the whole uncompressed stream.
  std::string finish();

 private:
  void fill(const std::stop_token& stop);
  std::size_t decode(std::span<std::byte> output, const std::stop_token& stop);

  int fd_;
  LayerStreamOptions options_;
  std::uint64_t bytes_ = 0;     ///< Uncompressed, so far.
  std::uint64_t position_ = 0;  ///< What has been read of the file.
  bool end_of_input_ = false;
  std::array<std::byte, 64U << 10> input_;
  std::span<const std::byte> pending_;  ///< The part of input_ not decoded yet.
  std::unique_ptr<Decoder> decoder_;
  ReadAhead ahead_;  ///< Uses all of the above.
  std::optional<RunningDigest> digest_;
};

}  // namespace sandbox::overlay
