// Compression of an archive block by block. What comes out depends on the bytes alone: not on how many threads do it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sandbox::overlay {

enum class Compression { none, gzip, zstd };

/// Whether blocks may be encoded in any order, by an encoder for each thread.
inline bool in_any_order(Compression compression) { return compression == Compression::gzip; }

constexpr std::size_t kHistory = 32U << 10;  ///< Bytes of the block before that help to encode one (RFC 1951).

class BlockEncoder {
 public:
  virtual ~BlockEncoder() = default;
  /// Appends to `output`. `before`: at most the last kHistory bytes of the block before.
  virtual void encode(std::span<const std::byte> before, std::span<const std::byte> block, bool last,
                      std::vector<std::byte>& output) = 0;
};

/// Throws Error when there is no memory.
std::unique_ptr<BlockEncoder> block_encoder(Compression compression);

/// What stands around the blocks of one gzip member (RFC 1952), without a name or a time; nothing for other methods.
class Framing {
 public:
  explicit Framing(Compression compression) : gzip_(compression == Compression::gzip) {}
  std::vector<std::byte> head() const;
  void account(std::span<const std::byte> block);  ///< Each block, in order.
  std::vector<std::byte> tail() const;

 private:
  bool gzip_;
  std::uint32_t crc_ = 0, size_ = 0;
};

}  // namespace sandbox::overlay
