// Archives packed by any number of threads.
#include "fuse-overlay/store/layer_sink.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <vector>

#include "fuse-overlay/store/layer_stream.h"
#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::overlay;

namespace {

constexpr std::size_t kBlock = 256U << 10;

/// Words that repeat now and then, so that there is something to find in the block before.
std::string text_of(std::size_t size) {
  std::string text;
  std::uint32_t number = 1;
  while (text.size() < size) text += std::to_string((number = number * 1664525U + 1013904223U) % 5000) + ' ';
  text.resize(size);
  return text;
}

struct Packed {
  LayerSink::Written written;
  std::string bytes, unpacked;
};

Packed pack(const std::string& text, Compression compression, std::size_t threads) {
  const Fd file(::memfd_create("packed", MFD_CLOEXEC));
  LayerSink sink(file.get(), compression, threads);
  for (std::size_t at = 0; at < text.size(); at += 100'000) {
    sink.write(text.data() + at, std::min<std::size_t>(text.size() - at, 100'000));
  }
  Packed packed{sink.finish(), {}, {}};
  packed.bytes.resize(static_cast<std::size_t>((sys::fstat(file.get()) | or_throw("packed")).st_size));
  REQUIRE(::pread(file.get(), packed.bytes.data(), packed.bytes.size(), 0) ==
          static_cast<ssize_t>(packed.bytes.size()));
  REQUIRE(::lseek(file.get(), 0, SEEK_SET) == 0);
  LayerStream stream(file.get(), {.max_bytes = text.size()});
  for (auto part = stream.next(); !part.empty(); part = stream.next()) {
    packed.unpacked.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return packed;
}

}  // namespace

TEST_CASE("what was packed is what went in, and its bytes don't depend on the number of threads") {
  for (const Compression compression : {Compression::none, Compression::gzip, Compression::zstd}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kBlock - 1, kBlock, kBlock + 1, 12 * kBlock + 7}) {
      CAPTURE(size);
      const std::string text = text_of(size);
      const Packed alone = pack(text, compression, 0);
      CHECK(alone.unpacked == text);
      CHECK(alone.written.diff_id == sha256_digest(text));
      CHECK(alone.written.digest == sha256_digest(alone.bytes));
      CHECK(alone.written.size == alone.bytes.size());
      for (const std::size_t threads : {1, 2, 5, 100}) CHECK(pack(text, compression, threads).bytes == alone.bytes);
    }
  }
}

TEST_CASE("a full disk is told of, also when a thread that compresses meets it") {
  std::vector<std::uint32_t> noise(3U << 20);
  for (std::uint32_t number = 1; std::uint32_t & word : noise) word = number = number * 1664525U + 1013904223U;
  const Fd full = sys::openat(AT_FDCWD, "/dev/full", O_WRONLY) | or_throw("opening /dev/full");
  for (const std::size_t threads : {0, 1, 4}) {
    LayerSink sink(full.get(), Compression::gzip, threads);
    const auto write = [&] {
      sink.write(noise.data(), noise.size() * sizeof noise[0]);
      (void)sink.finish();
    };
    CHECK_THROWS_AS(write(), SysError);
  }
}

TEST_CASE("one that is given up ends, too") {
  const std::string text = text_of(3 * kBlock);
  const Fd file(::memfd_create("unfinished", MFD_CLOEXEC));
  for (const std::size_t threads : {0, 1, 4}) {
    LayerSink(file.get(), Compression::gzip, threads).write(text.data(), text.size());
  }
}
