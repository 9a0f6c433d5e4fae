// Lines of subuid(5), and the maps made of them.
#include <doctest/doctest.h>

#include <array>

#include "userns/subordinate_ids.h"

using namespace sandbox::userns;

namespace {

using Pairs = std::vector<std::array<std::uint32_t, 2>>;

Pairs ranges_in(std::string_view text) {
  Pairs pairs;
  for (const IdRange& range : parse_subordinate_ids(text, "ann", 1000)) pairs.push_back({range.first, range.count});
  return pairs;
}

}  // namespace

TEST_CASE("the first free id is behind everybody's ranges, and malformed lines count for nothing") {
  CHECK(first_free_id("", 100000) == 100000);
  CHECK(first_free_id("ann:100000:65536\nbob:165536:65536\n", 100000) == 231072);
  CHECK(first_free_id("bob:165536:65536\nann:1000:1\nx:y\n:\neve:999999999999:1\n", 100000) == 231072);
  CHECK(first_free_id("ann:4294967295:4294967295\n", 100000) == UINT32_MAX);
}

TEST_CASE("ranges are found by name and by number, in the order of the file") {
  CHECK(ranges_in("bob:1:2\nann:100000:65536\n1000:300000:10\nannie:5:5\n") == Pairs{{100000, 65536}, {300000, 10}});
  CHECK(ranges_in("ann:7:1") == Pairs{{7, 1}});
  CHECK(ranges_in("").empty());
}

TEST_CASE("malformed, empty, overlong and overlapping lines give nothing") {
  CHECK(ranges_in("ann:100\nann::\nann:x:5\nann:5:-1\nann:5:0\nann:5:5:5\n:5:5\n").empty());
  CHECK(ranges_in("ann:4294967295:2\nann:4294967290:10\nann:99999999999:1\n").empty());
  CHECK(ranges_in("ann:100:50\nann:120:5\nann:149:1\nann:150:5\n") == Pairs{{100, 50}, {150, 5}});
}

TEST_CASE("the kept namespace has the caller as 0 and the ranges behind it") {
  const auto map = map_with_ranges(1000, {{100000, 65536}, {300000, 10}});
  REQUIRE(map.size() == 3);
  CHECK((map[0].inside == 0 && map[0].outside == 1000 && map[0].count == 1));
  CHECK((map[1].inside == 1 && map[1].outside == 100000 && map[1].count == 65536));
  CHECK((map[2].inside == 65537 && map[2].outside == 300000));
  CHECK(ids_from_zero(map) == 65547);
}

TEST_CASE("a nested map is cut where its parent's lines end, and keeps to its ids") {
  const auto parent = map_with_ranges(1000, {{100000, 10}, {300000, 10}});
  const auto nested = nest_map({{500, 0, 15}, {7, 30, 4}}, parent);
  REQUIRE(nested.size() == 3);
  CHECK((nested[0].inside == 500 && nested[0].outside == 0 && nested[0].count == 1));
  CHECK((nested[1].inside == 501 && nested[1].outside == 1 && nested[1].count == 10));
  CHECK((nested[2].inside == 511 && nested[2].outside == 11 && nested[2].count == 4));
}
