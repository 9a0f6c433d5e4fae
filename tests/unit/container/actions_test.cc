// What can be done with a container in which state.
#include "sandbox/container/actions.h"

#include <doctest/doctest.h>

#include <string>

#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::container;

TEST_CASE("a state is what users tell apart") {
  CHECK(condition_of({}) == Condition::created);
  CHECK(condition_of({.status = Status::running}) == Condition::running);
  CHECK(condition_of({.status = Status::running, .paused = true}) == Condition::paused);
  CHECK(condition_of({.status = Status::restarting}) == Condition::restarting);
  CHECK(condition_of({.status = Status::exited}) == Condition::exited);
}

TEST_CASE("the table of actions: o possible, - not") {
  struct Row {
    Action action;
    const char* created_running_paused_restarting_exited;
  };
  constexpr Row rows[] = {{Action::start, "o---o"}, {Action::attach, "-o---"},  {Action::exec, "-o---"},
                          {Action::pause, "-o---"}, {Action::unpause, "--o--"}, {Action::kill, "-ooo-"},
                          {Action::top, "-oo--"},   {Action::remove, "o---o"}};
  for (const Row& row : rows) {
    std::string seen;
    for (int i = 0; i < 5; ++i) seen += obstacle(row.action, static_cast<Condition>(i)) == nullptr ? 'o' : '-';
    CHECK_MESSAGE(seen == row.created_running_paused_restarting_exited, static_cast<int>(row.action));
  }
}

TEST_CASE("an obstacle names the container") {
  CHECK_NOTHROW(require_possible(Action::exec, {.status = Status::running}, "box"));
  CHECK_THROWS_WITH_AS(require_possible(Action::exec, {.status = Status::restarting}, "box"),
                       "container box is restarting, wait until the container is running", Conflict);
  CHECK_THROWS_WITH_AS(require_possible(Action::unpause, {}, "box"), "container box is not paused", Conflict);
}
