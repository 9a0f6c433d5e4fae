// Inflating: both libraries alike, however the bytes come.
#include "fuse-overlay/store/layer_stream.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "sandbox/base/digest.h"
#include "sandbox/base/sys.h"
#include "tests/unit/overlay_store/layer_fixture.h"

namespace sandbox::overlay {
namespace {

std::string gzip(const std::string& plain, int level = 6) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(::deflateBound(&stream, plain.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(packed.size() - stream.avail_out);
  ::deflateEnd(&stream);
  return packed;
}

/// Words, and noise that can't be packed.
std::string text_of(std::size_t size) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < size) {
    if (random() % 4 == 0) text += "the same words again ";
    else text += static_cast<char>(random());
  }
  return text;
}

/// All of it, in pieces of these sizes; the output where the input is damaged or ends too early ends in "!".
std::string inflate(Decoder& decoder, const std::string& packed, std::size_t input_size, std::size_t output_size) {
  std::string plain;
  std::vector<std::byte> output(output_size);
  std::span<const std::byte> rest = std::as_bytes(std::span(packed)), input;
  try {
    for (int idle = 0; idle < 3;) {
      if (input.empty()) {
        input = rest.first(std::min(input_size, rest.size()));
        rest = rest.subspan(input.size());
      }
      const std::size_t size = decoder.decode(input, output);
      plain.append(reinterpret_cast<const char*>(output.data()), size);
      idle = size == 0 && rest.empty() && input.empty() ? idle + 1 : 0;
    }
  } catch (const InvalidInput&) {
    return plain + "!";
  }
  return decoder.complete() ? plain : plain + "!";
}

TEST_CASE("gzip members are inflated whatever the sizes of the buffers, and damage is found") {
  for (auto* const make : {&make_gzip_decoder, &make_zlib_decoder}) {
    const std::string first = text_of(100'000), packed = gzip(first) + gzip("") + gzip("second", 0);
    for (const std::size_t input : {1U, 7U, 64U << 10, 1U << 20}) {
      for (const std::size_t output : {1U, 1000U, 256U << 10})
        CHECK(inflate(*make(), packed, input, output) == first + "second");
    }
    CHECK(inflate(*make(), packed.substr(0, packed.size() - 1), 100, 100).ends_with('!'));
    CHECK(inflate(*make(), packed + "tail", 100, 100).ends_with('!'));
    CHECK(inflate(*make(), packed + std::string(512, '\0'), 100, 100).ends_with('!'));
    std::string damaged = packed;
    damaged[damaged.size() - 5] = static_cast<char>(damaged[damaged.size() - 5] ^ 1);  // of the last checksum
    CHECK(inflate(*make(), damaged, 100, 100).ends_with('!'));
    damaged = packed;
    damaged[5000] = static_cast<char>(damaged[5000] ^ 1);
    CHECK(inflate(*make(), damaged, 100, 100).ends_with('!'));
    CHECK(inflate(*make(), "\x1f\x8b", 1, 1) == "!");
  }
}

/// A file that a thread writes, and what a reader is told of it.
class Growing {
 public:
  explicit Growing(const std::string& path)
      : file_(sys::openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT, 0600) | or_throw("creating '{}'", path)) {}
  int fd() const { return file_.get(); }

  void put(const std::string& data, std::size_t offset) {
    sys::pwrite_all(file_.get(), data.data(), data.size(), static_cast<off_t>(offset)) | or_throw("writing");
    set(offset + data.size(), false);
  }
  void empty() {
    set(0, false);
    sys::ftruncate(file_.get(), 0) | or_throw("emptying");
  }
  void set(std::size_t size, bool whole) {
    const std::scoped_lock lock(mutex_);
    size_ = size;
    whole_ = whole;
    changed_.notify_all();
  }

  std::uint64_t wait(std::uint64_t position, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return whole_ || size_ > position; });
    if (stop.stop_requested()) throw Error("given up");
    return std::max<std::uint64_t>(size_, position);
  }
  GrowingFile told() {
    return [this](std::uint64_t position, const std::stop_token& stop) { return wait(position, stop); };
  }

 private:
  Fd file_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t size_ = 0;
  bool whole_ = false;
};

TEST_CASE("a file is read while it grows, also when its transfer starts again") {
  const testing::TemporaryDirectory scratch;
  const std::string plain = text_of(400'000), packed = gzip(plain);
  Growing growing(scratch.path() + "/file");
  std::jthread writer([&] {
    for (std::size_t at = 0; at < packed.size() / 2; at += 999) growing.put(packed.substr(at, 999), at);
    growing.empty();
    for (std::size_t at = 0; at < packed.size(); at += 5000) growing.put(packed.substr(at, 5000), at);
    growing.set(packed.size(), true);
  });
  const Fd reader = sys::openat(AT_FDCWD, (scratch.path() + "/file").c_str(), O_RDONLY) | or_throw("opening");
  LayerStream stream(reader.get(), {.max_bytes = 1U << 20, .growing = growing.told()});
  CHECK(stream.finish() == sha256_digest(plain));
}

TEST_CASE("who needs no more of a growing file doesn't wait for it") {
  const testing::TemporaryDirectory scratch;
  Growing growing(scratch.path() + "/file");
  const std::string packed = gzip(text_of(2'000'000));
  REQUIRE(packed.size() > 200'000);
  growing.put(packed.substr(0, 200'000), 0);
  const Fd reader = sys::openat(AT_FDCWD, (scratch.path() + "/file").c_str(), O_RDONLY) | or_throw("opening");
  LayerStream stream(reader.get(), {.growing = growing.told()});
  CHECK_FALSE(stream.next().empty());
}

}  // namespace
}  // namespace sandbox::overlay
