#include "sandbox/runtime/filter_cache.h"

#include <doctest/doctest.h>

#include <fstream>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

struct Place {
  std::string path = "/tmp/sbx-filters-" + random_hex(12);
  ~Place() { remove_tree(path); }
};

/// Counts how often something is compiled.
struct Compiler {
  Filter filter(const std::string& directory, const std::string& source) {
    return cached_filter(directory, source, [&] {
      ++times;
      return Filter(8, static_cast<std::byte>(source[0]));
    });
  }
  int times = 0;
};

}  // namespace

TEST_CASE("a filter is compiled once for each source") {
  const Place place;
  Compiler compiler;
  const Filter first = compiler.filter(place.path, "a"), again = compiler.filter(place.path, "a");
  CHECK(first == Filter(8, std::byte{'a'}));
  CHECK(again == first);
  CHECK(compiler.times == 1);
  CHECK(compiler.filter(place.path, "b") == Filter(8, std::byte{'b'}));
  CHECK(compiler.times == 2);
}

TEST_CASE("without a directory every filter is compiled") {
  Compiler compiler;
  (void)compiler.filter("", "a");
  (void)compiler.filter("", "a");
  CHECK(compiler.times == 2);
}

TEST_CASE("a damaged filter is compiled again") {
  const Place place;
  Compiler compiler;
  (void)compiler.filter(place.path, "a");
  const std::string file = place.path + "/" + list_directory(place.path).at(0);
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{1} << 20}) {
    std::ofstream(file) << std::string(size, 'x');
    CHECK(compiler.filter(place.path, "a") == Filter(8, std::byte{'a'}));
  }
  CHECK(compiler.times == 4);
}

TEST_CASE("where filters can't be kept, they are compiled") {
  Compiler compiler;
  CHECK(compiler.filter("/proc/filters", "a") == Filter(8, std::byte{'a'}));
}

TEST_CASE("a state directory does not fill with filters") {
  const Place place;
  Compiler compiler;
  for (int number = 0; number < 100; ++number) {
    (void)compiler.filter(place.path, std::to_string(number));
    REQUIRE(list_directory(place.path).size() <= 32);
  }
  (void)compiler.filter(place.path, "99");
  CHECK(compiler.times == 100);
}
