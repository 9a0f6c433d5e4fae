// Volumes on a real file system.
#include "sandbox/container/volume_store.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "temporary_places.h"

using namespace sandbox;
using namespace sandbox::container;

namespace {

Volume volume(const char* name, bool anonymous = false) {
  return {.name = name, .created = 1700000000, .labels = {{"a", "b"}}, .anonymous = anonymous, .directory = {}};
}

}  // namespace

TEST_CASE("a volume's description read back is the same") {
  const Json first = to_json(volume("cache", true));
  CHECK(to_json(volume_from_json(parse_json(first.dump(), "test"))) == first);
  CHECK_THROWS_AS(volume_from_json(parse_json(
                      R"({"version": 1, "name": "../x", "created": 0, "labels": {}, "anonymous": false})", "test")),
                  InvalidInput);
}

TEST_CASE("a volume is there as soon as it is made, and once") {
  const TemporaryPlaces places;
  const VolumeStore store(places.places);
  CHECK_THROWS_AS((void)store.find("cache"), NotFound);
  CHECK_THROWS_AS((void)store.find("../volumes"), NotFound);
  int filled = 0;
  const auto fill = [&](int directory) {
    ++filled;
    sys::mkdirat(directory, "made", 0700) | or_throw("filling");
  };
  (void)store.hold().ensure(volume("cache"), fill);
  (void)store.hold().ensure(volume("cache"), fill);
  CHECK(filled == 1);
  CHECK(path_exists(store.data_of("cache") + "/made"));
  CHECK(store.find("cache").labels.at("a") == "b");
  CHECK(store.list().size() == 1);
  store.hold().remove(store.find("cache"));
  CHECK(store.list().empty());
}

TEST_CASE("what could not be filled leaves nothing behind") {
  const TemporaryPlaces places;
  const VolumeStore store(places.places);
  CHECK_THROWS_AS((void)store.hold().ensure(volume("cache"), [](int) { throw Error("no"); }), Error);
  CHECK(store.list().empty());
  const Volume made = store.hold().ensure(volume("cache"));
  CHECK_THROWS_AS(store.hold().fill(made, [](int) { throw Error("no"); }), Error);
  store.hold().fill(made, [](int directory) { sys::mkdirat(directory, "made", 0700) | or_throw("filling"); });
  CHECK(path_exists(made.data() + "/made"));
  store.hold().fill(made, [](int) { FAIL("it is not empty any more"); });
}

TEST_CASE("anonymous volumes go, others stay") {
  const TemporaryPlaces places;
  const VolumeStore store(places.places);
  (void)store.hold().ensure(volume("named"));
  (void)store.hold().ensure(volume("nameless", true));
  store.remove_unused_anonymous({"named", "nameless", "absent"});
  REQUIRE(store.list().size() == 1);
  CHECK(store.list()[0].name == "named");
}

TEST_CASE("a new anonymous volume goes with the next holder where its container was never made") {
  const TemporaryPlaces places;
  const VolumeStore store(places.places);
  Spec spec;
  {
    const auto held = store.hold();
    for (const char* name : {"taken", "lost"}) (void)held.ensure_for_container(volume(name, true), {});
    (void)held.ensure_for_container(volume("named"), {});
    spec.plan.mounts.push_back({.source = store.data_of("taken"), .target = "/taken"});
    held.settle(spec);
  }
  (void)store.hold();
  REQUIRE(store.list().size() == 2);
  CHECK(store.list()[0].name == "named");
  CHECK(store.list()[1].name == "taken");
}

TEST_CASE("a new anonymous volume stays where its container was made by one who was killed then") {
  const TemporaryPlaces places;
  const VolumeStore store(places.places);
  Spec spec;
  spec.plan.mounts.push_back({.source = store.data_of("taken"), .target = "/taken"});
  (void)store.hold().ensure_for_container(volume("taken", true), {});
  const Container made = ContainerStore(places.places).create(spec);
  (void)store.hold();
  ContainerStore(places.places).remove(made);
  (void)store.hold();
  CHECK(store.list().size() == 1);
}
