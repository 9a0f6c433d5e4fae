// What is kept of files' contents between builds.
#include "sandbox/build/content_cache.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <time.h>

#include <functional>

#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "tests/support/temporary_directory.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

const std::string kContent = "sha256:" + std::string(64, '5');

struct stat made(std::int64_t seconds_ago, off_t size = 1 << 20) {
  struct stat status {};
  status.st_dev = 1;
  status.st_ino = 2;
  status.st_mode = S_IFREG | 0644;
  status.st_size = size;
  status.st_mtim = status.st_ctim = {::time(nullptr) - seconds_ago, 5};
  return status;
}

void keep(const std::string& file, const std::string& path, const struct stat& status) {
  ContentCache cache(file);
  cache.note(path, status, status, kContent);
  cache.keep();
}

}  // namespace

TEST_CASE("what was read is known to the next build as long as nothing about the file has changed") {
  const testing::TemporaryDirectory home;
  const std::string file = home.path() + "/contents/a";
  const struct stat status = made(100);
  keep(file, "dir/file", status);
  ContentCache next(file);
  CHECK(next.find("dir/file", status) == kContent);
  CHECK_FALSE(next.find("dir/other", status));
  const std::function<void(struct stat&)> changes[] = {
      [](auto& s) { s.st_dev++; },          [](auto& s) { s.st_ino++; },          [](auto& s) { s.st_size++; },
      [](auto& s) { s.st_mtim.tv_nsec++; }, [](auto& s) { s.st_ctim.tv_nsec++; }, [](auto& s) { s.st_mtim.tv_sec--; },
      [](auto& s) { s.st_ctim.tv_sec--; },  [](auto& s) { s.st_mode ^= 1; },      [](auto& s) { s.st_uid++; },
      [](auto& s) { s.st_gid++; }};
  for (const auto& change : changes) {
    struct stat other = status;
    change(other);
    CHECK_FALSE(next.find("dir/file", other));
  }
}

TEST_CASE("what may still change within a tick of the clock is not kept, nor what has changed while it was read") {
  const testing::TemporaryDirectory home;
  const std::string file = home.path() + "/contents/a";
  for (const std::int64_t ago : {0L, 1L, -100L}) keep(file, "file", made(ago));
  struct stat only_content = made(100);
  only_content.st_ctim.tv_sec += 100;
  keep(file, "file", only_content);
  ContentCache cache(file);
  struct stat later = made(100);
  later.st_size++;
  cache.note("file", made(100), later, kContent);
  cache.keep();
  CHECK_FALSE(path_exists(file));
}

TEST_CASE("a cache that is cut short, changed or somebody else's file holds nothing") {
  const testing::TemporaryDirectory home;
  const std::string file = home.path() + "/contents/a";
  const struct stat status = made(100);
  keep(file, "file", status);
  const std::string whole = read_file(file);
  std::string changed = whole;
  changed.back() ^= 1;
  for (const std::string& text : {whole.substr(0, whole.size() - 1), whole.substr(0, 40), changed, std::string(),
                                  "x" + whole.substr(1), whole + std::string(136, '\0')}) {
    write_file_atomic(file, text, false);
    CHECK_FALSE(ContentCache(file).find("file", status));
  }
  write_file_atomic(file, whole, false);
  CHECK(ContentCache(file).find("file", status));
}

TEST_CASE("caches of a few small files are not worth a file, and there are at most 32 of them") {
  const testing::TemporaryDirectory home;
  keep(home.path() + "/contents/small", "file", made(100, 10));
  CHECK_FALSE(path_exists(home.path() + "/contents"));
  for (int i = 0; i < 40; ++i) keep(fmt::format("{}/contents/{}", home.path(), i), "file", made(100));
  CHECK(list_directory(home.path() + "/contents").size() == 32);
}

TEST_CASE("several that keep at once leave a whole file, and what is in use stays beside what is new") {
  const testing::TemporaryDirectory home;
  const std::string file = home.path() + "/contents/a";
  keep(file, "first", made(100));
  ContentCache one(file), other(file);
  one.note("one", made(90), made(90), kContent);
  other.note("other", made(80), made(80), kContent);
  one.keep();
  other.keep();
  ContentCache next(file);
  CHECK(next.find("first", made(100)));
  CHECK(next.find("other", made(80)));
}
