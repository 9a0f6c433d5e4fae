// What checks of a container's health come to.
#include "sandbox/container/health.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::container;
using namespace std::chrono_literals;

namespace {

constexpr HealthWatch::Clock::time_point kStart{};

HealthPlan plan() {
  HealthPlan plan;
  plan.argv = {"check"};
  return plan;
}

}  // namespace

TEST_CASE("a container is starting until a check tells") {
  HealthWatch watch(plan(), kStart);
  CHECK(watch.status() == Health::starting);
  CHECK(watch.due() == kStart + 30s);
  watch.checked(kStart + 30s, kStart + 31s, 0);
  CHECK(watch.status() == Health::healthy);
  CHECK(watch.due() == kStart + 61s);
}

TEST_CASE("so many failures in a row make it unhealthy, and one success healthy") {
  HealthWatch watch(plan(), kStart);
  auto now = kStart;
  const auto check = [&](int exit_code) { watch.checked(now, now, exit_code), now += 30s; };
  check(1);
  check(-1);
  CHECK(watch.status() == Health::starting);
  check(0);
  check(1);
  check(1);
  CHECK(watch.status() == Health::healthy);
  CHECK(watch.failing_streak() == 2);
  check(1);
  CHECK(watch.status() == Health::unhealthy);
  check(0);
  CHECK(watch.status() == Health::healthy);
  CHECK(watch.failing_streak() == 0);
}

TEST_CASE("in the start period checks are made often and failures don't count, until one succeeds") {
  HealthPlan often = plan();
  often.start_period = 60'000'000'000;
  often.retries = 1;
  HealthWatch watch(often, kStart);
  CHECK(watch.due() == kStart + 5s);
  watch.checked(kStart + 5s, kStart + 6s, 1);
  CHECK(watch.status() == Health::starting);
  CHECK(watch.failing_streak() == 0);
  CHECK(watch.due() == kStart + 11s);
  SUBCASE("a success ends it") {
    watch.checked(kStart + 11s, kStart + 12s, 0);
    CHECK(watch.status() == Health::healthy);
    CHECK(watch.due() == kStart + 42s);
    watch.checked(kStart + 42s, kStart + 43s, 1);
    CHECK(watch.status() == Health::unhealthy);
  }
  SUBCASE("its time ends it") {
    watch.checked(kStart + 61s, kStart + 62s, 1);
    CHECK(watch.status() == Health::unhealthy);
  }
}

TEST_CASE("the last checks are kept as JSON") {
  const HealthRecord record{2, {{"a", "b", -1, "output"}}};
  const HealthRecord read = health_from_json(to_json(record));
  CHECK(read.failing_streak == 2);
  REQUIRE(read.log.size() == 1);
  CHECK(read.log[0].output == "output");
  CHECK_THROWS_AS(health_from_json(Json::array()), InvalidInput);
}
