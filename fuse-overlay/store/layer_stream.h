// The pull side of a layer: a compressed archive read from a descriptor, handed on uncompressed, in blocks, while its
// digest runs. A thread of its own reads and inflates, which takes as long as all that is done with the blocks. Memory
// is bounded whatever the input (zstd windows to 128 MiB).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "fuse-overlay/store/read_ahead.h"
#include "sandbox/base/digest.h"

namespace sandbox::overlay {

/// One decompression method; also plain copying.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Moves bytes from the front of `input` (shrinking it) to `output`; the number written.
  virtual std::size_t decode(std::span<const std::byte>& input, std::span<std::byte> output) = 0;
  /// Whether the input may end here: false inside a gzip member or a zstd frame.
  virtual bool complete() const = 0;
};

class LayerStream {
 public:
  /// Borrows `fd`, a regular file that is read from its current position. The uncompressed stream may have at most
  /// `max_bytes` bytes.
  LayerStream(int fd, std::uint64_t max_bytes);

  /// The next uncompressed bytes, valid until the next call; empty at the end. Throws InvalidInput
  /// for damaged, truncated or too much data, SysError.
  std::span<const std::byte> next();

  /// Reads what is left and gives the digest of the whole uncompressed stream.
  std::string finish();

 private:
  void fill();
  std::size_t decode(std::span<std::byte> output);

  int fd_;
  std::uint64_t max_bytes_, bytes_ = 0;
  bool end_of_input_ = false;
  std::array<std::byte, 64U << 10> input_;
  std::span<const std::byte> pending_;  ///< The part of input_ not decoded yet.
  std::unique_ptr<Decoder> decoder_;
  ReadAhead ahead_;  ///< Uses all of the above.
  Sha256 digest_;
};

}  // namespace sandbox::overlay
