// When containers start again.
#include "sandbox/container/restart_policy.h"

#include <doctest/doctest.h>

using namespace sandbox::container;
using namespace std::chrono_literals;

TEST_CASE("without a policy nothing starts again") {
  Restarts restarts({});
  CHECK_FALSE(restarts.after(1, 1h, false));
  CHECK(restarts.count() == 0);
}

TEST_CASE("on-failure restarts what has failed, so many times") {
  Restarts restarts({RestartWhen::on_failure, 2});
  CHECK_FALSE(restarts.after(0, 1s, false));
  CHECK(restarts.after(1, 1s, false));
  CHECK(restarts.after(2, 1s, false));
  CHECK_FALSE(restarts.after(3, 1s, false));
  CHECK(restarts.count() == 2);
}

TEST_CASE("pauses double to a minute, and begin anew after a good run") {
  Restarts restarts({RestartWhen::always, 0});
  CHECK(restarts.after(0, 1s, false) == 100ms);
  CHECK(restarts.after(0, 1s, false) == 200ms);
  CHECK(restarts.after(0, 9999ms, false) == 400ms);
  CHECK(restarts.after(0, 10s, false) == 100ms);
  for (int i = 0; i < 20; ++i) (void)restarts.after(1, 0s, false);
  CHECK(restarts.after(1, 0s, false) == 60s);
}

TEST_CASE("who was asked to end does not come back") {
  for (const RestartWhen when : {RestartWhen::always, RestartWhen::unless_stopped, RestartWhen::on_failure}) {
    Restarts restarts({when, 0});
    CHECK_FALSE(restarts.after(137, 1s, true));
    CHECK(restarts.after(137, 1s, false));
  }
}
