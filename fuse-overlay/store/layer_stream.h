// The pull side of a layer: a compressed archive read from a descriptor, handed on uncompressed, in
// blocks, while its digest runs. Memory is bounded whatever the input (zstd windows to 128 MiB).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

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
  /// Borrows `fd`, which is read from its current position. The uncompressed stream may have at
  /// most `max_bytes` bytes.
  LayerStream(int fd, std::uint64_t max_bytes);

  /// The next uncompressed bytes, valid until the next call; empty at the end. Throws InvalidInput
  /// for damaged, truncated or too much data, SysError.
  std::span<const std::byte> next();

  /// Reads what is left and gives the digest of the whole uncompressed stream.
  std::string finish();

 private:
  void fill();

  int fd_;
  std::uint64_t max_bytes_, bytes_ = 0;
  bool end_of_input_ = false;
  std::array<std::byte, 64U << 10> input_;
  std::array<std::byte, 128U << 10> output_;
  std::span<const std::byte> pending_;  ///< The part of input_ not decoded yet.
  std::unique_ptr<Decoder> decoder_;
  Sha256 digest_;
};

}  // namespace sandbox::overlay
