// See layer_stream.h. The method is chosen by the first bytes; media types of manifests lie.
#include "fuse-overlay/store/layer_stream.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

class PlainDecoder final : public Decoder {
 public:
  std::size_t decode(std::span<const std::byte>& input, std::span<std::byte> output) override {
    const std::size_t size = std::min(input.size(), output.size());
    std::memcpy(output.data(), input.data(), size);
    input = input.subspan(size);
    return size;
  }
  bool complete() const override { return true; }
};

/// zstd (RFC 8878) with any number of frames, skippable ones too (zstd:chunked).
class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : context_(::ZSTD_createDCtx()) {
    if (context_ == nullptr) throw Error("starting zstd: out of memory");
    ::ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);
  }
  ~ZstdDecoder() override { ::ZSTD_freeDCtx(context_); }
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  std::size_t decode(std::span<const std::byte>& input, std::span<std::byte> output) override {
    if (input.empty() && between_frames_) return 0;
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output.data(), output.size(), 0};
    const std::size_t status = ::ZSTD_decompressStream(context_, &out, &in);
    if (::ZSTD_isError(status) != 0) {
      throw InvalidInput(fmt::format("archive: damaged zstd data: {}", ::ZSTD_getErrorName(status)));
    }
    between_frames_ = status == 0;
    input = input.subspan(in.pos);
    return out.pos;
  }
  bool complete() const override { return between_frames_; }

 private:
  ZSTD_DCtx* context_;
  bool between_frames_ = false;
};

bool starts_with(std::span<const std::byte> data, std::initializer_list<unsigned> magic) {
  return data.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), data.begin(),
                    [](unsigned wanted, std::byte found) { return wanted == std::to_integer<unsigned>(found); });
}

std::unique_ptr<Decoder> choose_decoder(std::span<const std::byte> start, bool passes_others) {
  if (starts_with(start, {0x1f, 0x8b})) return make_gzip_decoder();
  const bool skippable = start.size() >= 4 && (std::to_integer<unsigned>(start[0]) & 0xf0U) == 0x50 &&
                         starts_with(start.subspan(1), {0x2a, 0x4d, 0x18});
  if (skippable || starts_with(start, {0x28, 0xb5, 0x2f, 0xfd})) return std::make_unique<ZstdDecoder>();
  if (passes_others) return std::make_unique<PlainDecoder>();
  if (starts_with(start, {'B', 'Z', 'h'})) throw InvalidInput("archive: bzip2 compression isn't supported");
  if (starts_with(start, {0xfd, '7', 'z', 'X', 'Z'})) throw InvalidInput("archive: xz compression isn't supported");
  return std::make_unique<PlainDecoder>();
}

}  // namespace

LayerStream::LayerStream(int fd, const LayerStreamOptions& options)
    : fd_(fd),
      options_(options),
      ahead_([this](std::span<std::byte> output, const std::stop_token& stop) { return decode(output, stop); }) {
  if (options.digest) digest_.emplace(*options.digest);
}

/// Refills the whole input buffer, so that the first bytes are never split. Precondition: nothing is pending.
void LayerStream::fill(const std::stop_token& stop) {
  std::size_t size = 0;
  while (size < input_.size() && !end_of_input_) {
    std::size_t wanted = input_.size() - size;
    if (options_.growing) wanted = std::min<std::uint64_t>(wanted, options_.growing(position_, stop) - position_);
    const std::size_t got = sys::read(fd_, input_.data() + size, wanted) | or_throw("reading the layer archive");
    // A transfer that starts again empties the file; it will have these bytes once more.
    end_of_input_ = got == 0 && (!options_.growing || wanted == 0);
    size += got;
    position_ += got;
  }
  pending_ = std::span(input_).first(size);
}

std::size_t LayerStream::decode(std::span<std::byte> output, const std::stop_token& stop) {
  for (;;) {
    if (pending_.empty() && !end_of_input_) fill(stop);
    if (!decoder_) decoder_ = choose_decoder(pending_, options_.passes_others);
    const std::size_t before = pending_.size();
    const std::size_t size = decoder_->decode(pending_, output);
    if (size > 0) {
      bytes_ += size;
      if (bytes_ > options_.max_bytes) {
        throw InvalidInput(fmt::format("archive: more than {} bytes uncompressed", options_.max_bytes));
      }
      return size;
    }
    if (pending_.empty() && end_of_input_) {
      if (!decoder_->complete()) throw InvalidInput("archive: truncated compressed data");
      return 0;
    }
    if (before != 0 && pending_.size() == before && !decoder_->complete())
      throw InvalidInput("archive: damaged compressed data");
  }
}

std::span<const std::byte> LayerStream::next() {
  const auto block = ahead_.next();
  if (digest_) digest_->update(block.data(), block.size());
  return block;
}

std::string LayerStream::finish() {
  while (!next().empty()) {
  }
  return digest_->finish();
}

}  // namespace sandbox::overlay
