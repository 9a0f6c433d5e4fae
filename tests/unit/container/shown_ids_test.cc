// How a container with its caller's own number sees owners that are on disk as the namespace around it has them.
#include <doctest/doctest.h>

#include "sandbox/container/helpers.h"

using namespace sandbox;
using overlay::IdLine;
using overlay::IdTranslation;

TEST_CASE("owners are shown as they are where a container's ids are those around it") {
  CHECK(container::shown_ids({{0, 0, 1}, {1, 1, 65536}}).empty());
}

TEST_CASE("where root and the caller are exchanged, root's files are root's, and the caller's the caller's") {
  const IdTranslation ids(container::shown_ids({{0, 1000, 1}, {1000, 0, 1}, {1, 1, 999}, {1001, 1001, 64536}}));
  for (const auto& [disk, shown] : {std::pair{1000U, 0U}, {0U, 1000U}, {33U, 33U}, {65536U, 65536U}, {70000U, 70000U}}) {
    CHECK(ids.shown(disk) == shown);
    CHECK(ids.on_disk(shown) == disk);
  }
}

TEST_CASE("a caller whose number is beyond the range has the last id of it on disk") {
  const IdTranslation ids(container::shown_ids({{0, 1, 65536}, {70000, 0, 1}}));
  for (const auto& [disk, shown] : {std::pair{70000U, 0U}, {0U, 1U}, {32U, 33U}, {65534U, 65535U}, {65535U, 70000U}}) {
    CHECK(ids.shown(disk) == shown);
    CHECK(ids.on_disk(shown) == disk);
  }
}
