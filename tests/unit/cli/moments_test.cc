// --since and --until.
#include "sandbox/engine/moments.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "sandbox/base/error.h"

using namespace sandbox;
using sandbox::engine::parse_moment;

namespace {

constexpr timespec kNow{.tv_sec = 1'700'000'000, .tv_nsec = 250'000'000};

double seconds(const char* text) {
  const timespec moment = parse_moment(text, kNow);
  return static_cast<double>(moment.tv_sec) + static_cast<double>(moment.tv_nsec) / 1e9;
}

}  // namespace

TEST_CASE("durations are before now") {
  CHECK(seconds("0") == 1'700'000'000.25);
  CHECK(seconds("10s") == 1'699'999'990.25);
  CHECK(seconds("1h30m") == 1'699'994'600.25);
  CHECK(seconds("500ms") == 1'699'999'999.75);
  CHECK(seconds("1.5s") == 1'699'999'998.75);
  CHECK(seconds("-10s") == 1'700'000'010.25);
}

TEST_CASE("dates are as exact as they are given") {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  CHECK(seconds("2023-11-14T22:13:20Z") == 1'700'000'000);
  CHECK(seconds("2023-11-14T22:13:20.5Z") == 1'700'000'000.5);
  CHECK(seconds("2023-11-15T00:13:20+02:00") == 1'700'000'000);
  CHECK(seconds("2023-11-14T20:43:20-01:30") == 1'700'000'000);
  CHECK(seconds("2023-11-14T22:13") == 1'699'999'980);
  CHECK(seconds("2023-11-14T22") == 1'699'999'200);
  CHECK(seconds("2023-11-14") == 1'699'920'000);
  CHECK(seconds("2023-11-14Z") == 1'699'920'000);
}

TEST_CASE("seconds since the epoch have fractions") {
  CHECK(seconds("1700000000") == 1'700'000'000);
  CHECK(seconds("1700000000.25") == 1'700'000'000.25);
}

TEST_CASE("other words are refused") {
  for (const char* text : {"", "yesterday", "10x", "2023-13-01", "2023-11-14T25:00", "2023-11-14T22:13:20+2", "1.x",
                           "99999999999999999999", "9999999999999h", "--1s", "1s-1s"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_moment(text, kNow), UsageError);
  }
}
