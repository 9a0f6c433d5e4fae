// Decompression methods of layer archives, block by block.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace sandbox::overlay {

/// One decompression method; also plain copying.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Moves bytes from the front of `input` (shrinking it) to `output`; the number written. Throws InvalidInput.
  virtual std::size_t decode(std::span<const std::byte>& input, std::span<std::byte> output) = 0;
  /// Whether the input may end here: false inside a gzip member or a zstd frame.
  virtual bool complete() const = 0;
};

/// gzip (RFC 1952) with any number of members, as pigz, bgzip and eStargz write them. By ISA-L's igzip, which takes
/// less than half of zlib's time, where its library (libisal.so.2) is installed.
std::unique_ptr<Decoder> make_gzip_decoder();
std::unique_ptr<Decoder> make_zlib_decoder();  ///< The same by zlib.

}  // namespace sandbox::overlay
