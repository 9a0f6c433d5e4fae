// See decoder.h.
#define ZLIB_CONST
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <optional>

#include "fuse-overlay/store/decoder.h"
#include "sandbox/base/error.h"
#include "sandbox/base/shared_library.h"

namespace sandbox::overlay {
namespace {

/// igzip, loaded at first use.
struct IgzipLibrary {
  decltype(&::isal_inflate_init) init = nullptr;
  decltype(&::isal_inflate_reset) reset = nullptr;
  decltype(&::isal_inflate) inflate = nullptr;
};

const std::optional<IgzipLibrary>& igzip_library() {
  static const auto loaded = []() -> std::optional<IgzipLibrary> {
    try {
      const SharedLibrary library("libisal.so.2", "");
      IgzipLibrary table;
      library.resolve("isal_inflate_init", table.init);
      library.resolve("isal_inflate_reset", table.reset);
      library.resolve("isal_inflate", table.inflate);
      return table;
    } catch (const Unsupported&) {
      return std::nullopt;
    }
  }();
  return loaded;
}

class IgzipDecoder final : public Decoder {
 public:
  explicit IgzipDecoder(const IgzipLibrary& library) : library_(library) {
    library_.init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  std::size_t decode(std::span<const std::byte>& input, std::span<std::byte> output) override {
    if (input.empty() && between_members_) return 0;
    if (between_members_) {
      library_.reset(&state_);
      state_.crc_flag = ISAL_GZIP;
      between_members_ = false;
    }
    state_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(input.data()));
    state_.avail_in = static_cast<std::uint32_t>(input.size());
    state_.next_out = reinterpret_cast<std::uint8_t*>(output.data());
    state_.avail_out = static_cast<std::uint32_t>(output.size());
    const int status = library_.inflate(&state_);
    if (status != ISAL_DECOMP_OK && status != ISAL_END_INPUT && status != ISAL_OUT_OVERFLOW) {
      throw InvalidInput(fmt::format("archive: damaged gzip data: {}", reason_of(status)));
    }
    input = input.last(state_.avail_in);
    between_members_ = state_.block_state == ISAL_BLOCK_FINISH;
    return output.size() - state_.avail_out;
  }
  bool complete() const override { return between_members_; }

 private:
  static const char* reason_of(int status) {
    switch (status) {
      case ISAL_INVALID_WRAPPER:
        return "invalid header";
      case ISAL_UNSUPPORTED_METHOD:
        return "unknown method";
      case ISAL_INCORRECT_CHECKSUM:
        return "incorrect checksum";
      default:
        return "invalid stream";
    }
  }

  const IgzipLibrary& library_;
  inflate_state state_{};
  bool between_members_ = false;
};

class ZlibDecoder final : public Decoder {
 public:
  ZlibDecoder() {
    constexpr int gzip_only = 15 + 16;
    if (::inflateInit2(&stream_, gzip_only) != Z_OK) throw Error("starting zlib: out of memory");
  }
  ~ZlibDecoder() override { ::inflateEnd(&stream_); }
  ZlibDecoder(const ZlibDecoder&) = delete;
  ZlibDecoder& operator=(const ZlibDecoder&) = delete;

  std::size_t decode(std::span<const std::byte>& input, std::span<std::byte> output) override {
    if (input.empty() && between_members_) return 0;
    if (between_members_) {
      ::inflateReset(&stream_);
      between_members_ = false;
    }
    stream_.next_in = reinterpret_cast<const Bytef*>(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = reinterpret_cast<Bytef*>(output.data());
    stream_.avail_out = static_cast<uInt>(output.size());
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    input = input.last(stream_.avail_in);
    if (status == Z_STREAM_END) {
      between_members_ = true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      throw InvalidInput(
          fmt::format("archive: damaged gzip data: {}", stream_.msg == nullptr ? "invalid stream" : stream_.msg));
    }
    return output.size() - stream_.avail_out;
  }
  bool complete() const override { return between_members_; }

 private:
  z_stream stream_{};
  bool between_members_ = false;
};

}  // namespace

std::unique_ptr<Decoder> make_zlib_decoder() { return std::make_unique<ZlibDecoder>(); }

std::unique_ptr<Decoder> make_gzip_decoder() {
  const auto& igzip = igzip_library();
  return igzip ? std::make_unique<IgzipDecoder>(*igzip) : make_zlib_decoder();
}

}  // namespace sandbox::overlay
