// The journal of what has happened.
#include "sandbox/base/events.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "sandbox/base/file.h"
#include "tests/support/temporary_directory.h"

using namespace sandbox;

namespace {

std::vector<Event> events(const std::string& store, const EventOptions& options = {}) {
  std::vector<Event> found;
  read_events(store, options, [&](const Event& event) { found.push_back(event); });
  return found;
}

}  // namespace

TEST_CASE("events come back in order, with their attributes and a time") {
  testing::TemporaryDirectory temporary;
  CHECK(events(temporary.path()).empty());
  record_event(temporary.path(), {"container", "create", "abc", {{"name", "box"}}});
  record_event(temporary.path(), {"container", "start", "abc", {}});
  const auto found = events(temporary.path());
  REQUIRE(found.size() == 2);
  CHECK(found[0].action == "create");
  CHECK(found[0].attributes.at("name") == "box");
  CHECK(found[0].time <= found[1].time);
  CHECK(events(temporary.path(), {.since = found[1].time}).size() + (found[0].time == found[1].time ? 0 : 1) == 2);
  CHECK(events(temporary.path(), {.until = found[0].time - 1}).empty());
  CHECK(events(temporary.path(), {.from_now = true}).empty());
}

TEST_CASE("lines that are no events are skipped, and strangers' labels are bounded") {
  testing::TemporaryDirectory temporary;
  write_file_atomic(temporary.path() + "/events", "junk\n{}\n[1]\n{\"type\":\"a\",\"action\":\"b\",\"time\":\"c\"}\n");
  record_event(temporary.path(), {"container", "create", "abc", {{"a", "b"}, {"label", std::string(1U << 20, 'x')}}});
  const auto found = events(temporary.path());
  REQUIRE(found.size() == 1);
  CHECK(found[0].attributes.size() == 1);
}

TEST_CASE("several processes record at once, and old events go") {
  testing::TemporaryDirectory temporary;
  const std::string bulk(1000, 'x');
  for (int i = 0; i < 4; ++i) {
    if (::fork() != 0) continue;
    for (int j = 0; j < 2000; ++j) record_event(temporary.path(), {"container", "start", "abc", {{"bulk", bulk}}});
    ::_exit(0);
  }
  while (::wait(nullptr) > 0) {
  }
  const auto found = events(temporary.path());
  CHECK(found.size() > 2800);  // three files of 1 MiB at least
  CHECK(found.size() < 4500);
  for (const Event& event : found) CHECK(event.attributes.at("bulk") == bulk);
}
