// When containers start again.
#include "sandbox/container/restart_policy.h"

#include <doctest/doctest.h>

using namespace sandbox::container;
using namespace std::chrono_literals;

TEST_CASE("without a policy nothing starts again") {
  const RestartPolicy policy;
  Restarts restarts;
  CHECK_FALSE(restarts.after(policy, 1, 1h, false));
  CHECK(restarts.count() == 0);
}

TEST_CASE("on-failure restarts what has failed, so many times") {
  const RestartPolicy policy{RestartWhen::on_failure, 2};
  Restarts restarts;
  CHECK_FALSE(restarts.after(policy, 0, 1s, false));
  CHECK(restarts.after(policy, 1, 1s, false));
  CHECK(restarts.after(policy, 2, 1s, false));
  CHECK_FALSE(restarts.after(policy, 3, 1s, false));
  CHECK(restarts.count() == 2);
}

TEST_CASE("pauses double to a minute, and begin anew after a good run") {
  const RestartPolicy policy{RestartWhen::always, 0};
  Restarts restarts;
  CHECK(restarts.after(policy, 0, 1s, false) == 100ms);
  CHECK(restarts.after(policy, 0, 1s, false) == 200ms);
  CHECK(restarts.after(policy, 0, 9999ms, false) == 400ms);
  CHECK(restarts.after(policy, 0, 10s, false) == 100ms);
  for (int i = 0; i < 20; ++i) (void)restarts.after(policy, 1, 0s, false);
  CHECK(restarts.after(policy, 1, 0s, false) == 60s);
}

TEST_CASE("a restarted machine starts what is always to run, and what nobody had stopped") {
  const State cut_off{.status = Status::exited, .started = 1},
      stopped{.status = Status::exited, .started = 1, .stop_asked = true};
  const State never_started{.status = Status::created}, up{.status = Status::running, .started = 1};
  const auto should = [](RestartWhen when, const State& state) { return should_start_on_boot({when, 0}, state); };
  CHECK(should(RestartWhen::always, cut_off));
  CHECK(should(RestartWhen::always, stopped));
  CHECK(should(RestartWhen::unless_stopped, cut_off));
  CHECK_FALSE(should(RestartWhen::unless_stopped, stopped));
  CHECK_FALSE(should(RestartWhen::on_failure, cut_off));
  CHECK_FALSE(should(RestartWhen::no, cut_off));
  CHECK_FALSE(should(RestartWhen::always, never_started));
  CHECK_FALSE(should(RestartWhen::always, up));
}

TEST_CASE("who was asked to end does not come back") {
  for (const RestartWhen when : {RestartWhen::always, RestartWhen::unless_stopped, RestartWhen::on_failure}) {
    const RestartPolicy policy{when, 0};
    Restarts restarts;
    CHECK_FALSE(restarts.after(policy, 137, 1s, true));
    CHECK(restarts.after(policy, 137, 1s, false));
  }
}
