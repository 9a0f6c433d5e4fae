// See layer_sink.h.
#include "fuse-overlay/store/layer_sink.h"

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::size_t kBuffer = 256U << 10;

class PlainEncoder final : public Encoder {
 public:
  std::size_t encode(std::span<const std::byte>& input, std::span<std::byte> output, bool) override {
    const std::size_t size = std::min(input.size(), output.size());
    std::memcpy(output.data(), input.data(), size);
    input = input.subspan(size);
    return size;
  }
};

/// One gzip member (RFC 1952) without a name or a time.
class GzipEncoder final : public Encoder {
 public:
  GzipEncoder() {
    constexpr int level = 4, gzip = 15 + 16, memory = 8;  // half the time of the usual 6, for 3 % more bytes
    if (::deflateInit2(&stream_, level, Z_DEFLATED, gzip, memory, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw Error("starting zlib: out of memory");
    }
  }
  ~GzipEncoder() override { ::deflateEnd(&stream_); }
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;

  std::size_t encode(std::span<const std::byte>& input, std::span<std::byte> output, bool last) override {
    stream_.next_in = reinterpret_cast<const Bytef*>(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = reinterpret_cast<Bytef*>(output.data());
    stream_.avail_out = static_cast<uInt>(output.size());
    (void)::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
    input = input.last(stream_.avail_in);
    return output.size() - stream_.avail_out;
  }

 private:
  z_stream stream_{};
};

/// One zstd frame (RFC 8878).
class ZstdEncoder final : public Encoder {
 public:
  ZstdEncoder() : context_(::ZSTD_createCCtx()) {
    if (context_ == nullptr) throw Error("starting zstd: out of memory");
    ::ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, 3);
    ::ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdEncoder() override { ::ZSTD_freeCCtx(context_); }
  ZstdEncoder(const ZstdEncoder&) = delete;
  ZstdEncoder& operator=(const ZstdEncoder&) = delete;

  std::size_t encode(std::span<const std::byte>& input, std::span<std::byte> output, bool last) override {
    if (ended_) return 0;
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output.data(), output.size(), 0};
    const std::size_t status = ::ZSTD_compressStream2(context_, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (::ZSTD_isError(status) != 0) throw Error(fmt::format("compressing a layer: {}", ::ZSTD_getErrorName(status)));
    ended_ = last && status == 0;
    input = input.subspan(in.pos);
    return out.pos;
  }

 private:
  ZSTD_CCtx* context_;
  bool ended_ = false;
};

std::unique_ptr<Encoder> encoder_for(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return std::make_unique<GzipEncoder>();
    case Compression::zstd:
      return std::make_unique<ZstdEncoder>();
    case Compression::none:
      break;
  }
  return std::make_unique<PlainEncoder>();
}

}  // namespace

LayerSink::LayerSink(int fd, Compression compression)
    : fd_(fd), encoder_(encoder_for(compression)), output_(kBuffer), alone_(compression == Compression::none) {
  input_.reserve(kBuffer);
}

LayerSink::~LayerSink() { wait_for_thread(); }

void LayerSink::write(const void* data, std::size_t size) {
  std::span rest(static_cast<const std::byte*>(data), size);
  while (!rest.empty()) {
    const auto part = rest.first(std::min(rest.size(), kBuffer - input_.size()));
    input_.insert(input_.end(), part.begin(), part.end());
    rest = rest.subspan(part.size());
    if (input_.size() == kBuffer) hand_over();
  }
}

void LayerSink::fill(std::size_t zeros) {
  static constexpr char nothing[512] = {};
  for (; zeros > 0; zeros -= std::min(zeros, sizeof nothing)) write(nothing, std::min(zeros, sizeof nothing));
}

/// Where threads are out of bounds it works without.
void LayerSink::start_thread() {
  handed_.reserve(kBuffer);
  try {
    thread_ = std::thread([this] { take_over(); });
  } catch (const std::system_error&) {
    alone_ = true;
  }
}

/// Once the thread is done with the block before.
void LayerSink::hand_over() {
  if (!alone_ && !thread_.joinable()) start_thread();
  if (alone_) {
    pack(input_, false);
    input_.clear();
    return;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !full_; });
  if (failure_) std::rethrow_exception(failure_);
  handed_.swap(input_);
  input_.clear();
  full_ = true;
  changed_.notify_all();
}

void LayerSink::take_over() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return full_ || ended_; });
    if (!full_) return;
    lock.unlock();
    std::exception_ptr failure;
    try {
      if (!failure_) pack(handed_, false);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) failure_ = failure;
    full_ = false;
    changed_.notify_all();
  }
}

/// It works on what it has, and ends.
void LayerSink::wait_for_thread() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void LayerSink::pack(const Block& block, bool last) {
  plain_.update(block.data(), block.size());
  std::span<const std::byte> pending(block);
  for (;;) {
    const std::size_t size = encoder_->encode(pending, output_, last);
    if (size == 0 && pending.empty()) break;
    packed_.update(output_.data(), size);
    written_.size += size;
    sys::write_all(fd_, output_.data(), size) | or_throw("writing a layer archive");
  }
}

LayerSink::Written LayerSink::finish() {
  wait_for_thread();
  if (failure_) std::rethrow_exception(failure_);
  pack(input_, true);
  written_.diff_id = plain_.finish();
  written_.digest = packed_.finish();
  return std::move(written_);
}

}  // namespace sandbox::overlay
