// Archives that try to reach beyond the layer, to exhaust the machine, or that are no archives.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <zlib.h>

#include "sandbox/base/error.h"
#include "tests/unit/overlay_store/layer_fixture.h"

using namespace sandbox;
using namespace sandbox::testing;

namespace {

std::string gzip(const std::string& data) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, data.size()), '\0');
  std::string copy = data;
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

TEST_CASE("names with '..' are refused and touch nothing") {
  for (const char* name : {"../x", "a/../../x", "..", "/../x", "a/.."}) {
    CAPTURE(name);
    const LayerFixture f;
    CHECK_THROWS_AS(f.apply(TarWriter().file(name, "x").finish()), InvalidInput);
    CHECK_THROWS_AS(f.apply(TarWriter().directory(name).finish()), InvalidInput);
    CHECK(f.canary_untouched());
  }
}

TEST_CASE("an absolute name is taken as relative to the layer") {
  const LayerFixture f;
  f.apply(TarWriter().file("/abs", "x").file("///deep/abs", "y").finish());
  CHECK(f.read("abs") == "x");
  CHECK(f.read("deep/abs") == "y");
}

TEST_CASE("a file through a symbolic link lands inside the layer") {
  const LayerFixture f;
  std::string up = "../canary";
  SUBCASE("relative") {
    f.apply(TarWriter().directory("canary").symlink("link", up).file("link/file", "dead").finish());
    CHECK(f.read("canary/file") == "dead");
  }
  SUBCASE("absolute, to nothing in the layer") {
    CHECK_THROWS_AS(f.apply(TarWriter().symlink("link", f.canary()).file("link/file", "dead").finish()), InvalidInput);
  }
  SUBCASE("absolute, to a directory of the layer; records use the true path") {
    const auto applied = f.apply(TarWriter().directory("t").symlink("link", "/t").add(
        {.name = "link/file", .content = "x", .uid = 7}).finish());
    CHECK(f.read("t/file") == "x");
    CHECK(applied.owners.contains("t/file"));
  }
  SUBCASE("the link itself is replaced, not followed") {
    f.apply(TarWriter().symlink("link", f.canary() + "/file").file("link", "dead").finish());
    CHECK(f.read("link") == "dead");
  }
  SUBCASE("a directory over a link replaces it") {
    f.apply(TarWriter().symlink("link", f.canary()).directory("link").file("link/file", "dead").finish());
    CHECK(f.read("link/file") == "dead");
  }
  CHECK(f.canary_untouched());
}

TEST_CASE("links that go in circles are refused or stay inside") {
  const LayerFixture f;
  SUBCASE("a to itself") {
    CHECK_THROWS_AS(f.apply(TarWriter().symlink("a", "a").file("a/b", "x").finish()), InvalidInput);
  }
  SUBCASE("a to the directory that holds it") {
    f.apply(TarWriter().symlink("a", ".").file("a/a/a/b", "x").finish());
    CHECK(f.read("b") == "x");
  }
  SUBCASE("a link that is replaced through itself") {
    CHECK_THROWS_AS(f.apply(TarWriter().symlink("a", ".").file("a/a", "x").file("a/c", "y").finish()), InvalidInput);
  }
  CHECK(f.canary_untouched());
}

TEST_CASE("hard links reach only files of the layer") {
  const LayerFixture f;
  CHECK_THROWS_AS(f.apply(TarWriter().hard_link("h", "../../etc/shadow").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().hard_link("h", "/etc/passwd").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().symlink("l", f.canary()).hard_link("h", "l/file").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().directory("d").hard_link("h", "d").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().file("d2/f", "x").hard_link("d2", "d2/f").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().hard_link("h", ".").finish()), InvalidInput);
  CHECK(f.canary_untouched());
}

TEST_CASE("a hard link to a symbolic link is a link to the link") {
  const LayerFixture f;
  f.apply(TarWriter().symlink("l", f.canary() + "/file").hard_link("h", "l").file("h", "mine").finish());
  CHECK(f.read("h") == "mine");
  CHECK(f.canary_untouched());
}

TEST_CASE("the root can only be a directory") {
  const LayerFixture f;
  CHECK_THROWS_AS(f.apply(TarWriter().symlink(".", "/etc").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().symlink("./", "/etc").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().file("/", "x").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().hard_link(".", "x").finish()), InvalidInput);
}

TEST_CASE("hostile whiteouts are refused") {
  for (const char* name : {".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh...", ".wh.a/b", ".wh../b"}) {
    CAPTURE(name);
    const LayerFixture f;
    CHECK_THROWS_AS(f.apply(TarWriter().file(name, "").finish()), InvalidInput);
    CHECK(f.canary_untouched());
  }
}

TEST_CASE("a whiteout and an opaque mark through an outward link stay inside") {
  const LayerFixture f;
  CHECK_THROWS_AS(f.apply(TarWriter().symlink("l", f.canary()).file("l/.wh.file", "").finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().symlink("m", f.canary()).file("m/.wh..wh..opq", "").finish()), InvalidInput);
  CHECK(f.canary_untouched());
}

TEST_CASE("names 10,000 directories deep are refused") {
  const LayerFixture f;
  std::string name;
  for (int i = 0; i < 10'000; ++i) name += "d/";
  CHECK_THROWS_WITH_AS(f.apply(TarWriter().directory(name).finish()), doctest::Contains("directories deep"), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().file(std::string(5000, 'x'), "").finish()), std::exception);
}

TEST_CASE("a deep tree is replaced by a file with few descriptors") {
  const LayerFixture f;
  std::string name = "top";
  for (int i = 0; i < 990; ++i) name += "/d";
  rlimit old{}, small{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  small = {64, old.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &small);
  f.apply(TarWriter().file(name, "x").add({.name = "top/e", .content = "y", .uid = 3}).file("top", "flat").finish());
  ::setrlimit(RLIMIT_NOFILE, &old);
  CHECK(f.read("top") == "flat");
}

TEST_CASE("an owner that chown(2) can't give is refused") {
  const LayerFixture f;
  CHECK_THROWS_AS(f.apply(TarWriter().add({.name = "f", .uid = 4294967295}).finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().add({.name = "f", .gid = 4294967295}).finish()), InvalidInput);
  CHECK_THROWS_AS(f.apply(TarWriter().add({.name = "f", .uid = 1ULL << 40}).finish()), InvalidInput);
}

TEST_CASE("what is no archive is refused") {
  const LayerFixture f;
  const std::string tar = TarWriter().file("f", std::string(100'000, 'x')).finish();
  CHECK_THROWS_AS(f.apply(""), InvalidInput);
  CHECK_THROWS_AS(f.apply(std::string(5000, 'g')), InvalidInput);
  CHECK_THROWS_AS(f.apply("\x1f\x8bgarbage that is no gzip"), InvalidInput);
  CHECK_THROWS_AS(f.apply("\x28\xb5\x2f\xfdgarbage that is no zstd"), InvalidInput);
  CHECK_THROWS_AS(f.apply("BZh91AY"), InvalidInput);
  CHECK_THROWS_AS(f.apply(tar.substr(0, 50'000)), InvalidInput);
  CHECK_THROWS_AS(f.apply(tar.substr(0, 300)), InvalidInput);
}

TEST_CASE("damaged or truncated gzip is refused") {
  const LayerFixture f;
  std::string random;
  unsigned seed = 1;
  for (int i = 0; i < 100'000; ++i) random += static_cast<char>((seed = seed * 1103515245U + 12345U) >> 16U);
  const std::string good = gzip(TarWriter().file("f", random).finish());
  CHECK_NOTHROW(f.apply(good));
  CHECK_THROWS_AS(f.apply(good.substr(0, good.size() / 2)), InvalidInput);
  CHECK_THROWS_AS(f.apply(good.substr(0, good.size() - 1)), InvalidInput);
  CHECK_THROWS_AS(f.apply(good + "trailing garbage"), InvalidInput);
  std::string flipped = good;
  flipped[good.size() - 5] = static_cast<char>(flipped[good.size() - 5] ^ 1);  // the checksum
  CHECK_THROWS_AS(f.apply(flipped), InvalidInput);
}

TEST_CASE("a gzip bomb ends at max_bytes, with bounded memory") {
  const LayerFixture f;
  const std::string zeros(64U << 20, '\0');
  const std::string bomb = gzip(TarWriter().file("big", zeros).finish());
  std::string tail;  // members of zeros behind the archive's end
  const std::string member = gzip(zeros);
  for (int i = 0; i < 64; ++i) tail += member;
  const long before = peak_kilobytes();
  CHECK_THROWS_WITH_AS(f.apply(bomb, {.max_bytes = 1U << 20}), doctest::Contains("more than 1048576 bytes"), InvalidInput);
  CHECK_THROWS_AS(f.apply(gzip(TarWriter().file("a", "").finish()) + tail, {.max_bytes = 1U << 30}), InvalidInput);
  CHECK(peak_kilobytes() - before < 20'000);
}

TEST_CASE("too many entries are refused") {
  const LayerFixture f;
  TarWriter tar;
  for (int i = 0; i < 11; ++i) tar.directory("d" + std::to_string(i));
  CHECK_THROWS_AS(f.apply(tar.finish(), {.max_entries = 10}), InvalidInput);
  CHECK_NOTHROW(f.apply(tar.finish(), {.max_entries = 11}));
}
