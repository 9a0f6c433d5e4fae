// User-defined networks on a real file system.
#include "sandbox/container/network_store.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/events.h"
#include "sandbox/base/file.h"
#include "temporary_places.h"

using namespace sandbox;
using namespace sandbox::container;

namespace {

Network named(const char* name, std::string subnet = {}) {
  Network network;
  network.name = name;
  network.subnet = std::move(subnet);
  return network;
}

std::string refusal(const NetworkStore& store, const Network& wanted) {
  try {
    (void)store.create(wanted);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

/// A container that is on `network` when it runs.
Container container_on(const Places& places, const Network& network, const char* name) {
  Spec spec;
  spec.name = name;
  spec.plan.process.argv = {"/bin/true"};
  spec.attachments = {{.network = network.id,
                       .name = network.name,
                       .address = {},
                       .hardware_address = {},
                       .aliases = {},
                       .links = {}}};
  return ContainerStore(places).create(std::move(spec));
}

}  // namespace

TEST_CASE("a network is there as soon as it is made, with a subnet and a gateway, and once") {
  const TemporaryPlaces places;
  const NetworkStore store(places.places);
  CHECK(store.list().empty());
  CHECK(store.prune([](const Network&) { return true; }).empty());
  const Network made = store.create(named("mynetwork"));
  CHECK(made.id.size() == 64);
  CHECK(made.created > 1'700'000'000);
  CHECK(subnet_of(made).contains(parse_ipv4(made.gateway).value()));
  CHECK(refusal(store, named("mynetwork")) == "network with name mynetwork already exists");
  for (const std::string& word : {made.name, made.id, made.id.substr(0, 12)}) CHECK(store.find(word).id == made.id);
  CHECK(store.find_by_id(made.id)->subnet == made.subnet);
  CHECK_FALSE(store.find_by_id(made.id.substr(0, 12)).has_value());
  store.remove(made);
  CHECK(store.list().empty());
  CHECK_THROWS_AS(store.remove(made), NotFound);
  for (const char* word : {"mynetwork", "", "../networks/mynetwork"}) CHECK_THROWS_AS((void)store.find(word), NotFound);
}

TEST_CASE("networks have different subnets") {
  const TemporaryPlaces places;
  const NetworkStore store(places.places);
  const Network asked = store.create(named("asked", "172.18.0.0/15"));
  CHECK(asked.gateway == "172.18.0.1");
  CHECK(refusal(store, named("other", "172.19.5.0/24")) ==
        "invalid pool request: Pool overlaps with other one on this address space");
  const Network first = store.create(named("first")), second = store.create(named("second"));
  CHECK_FALSE(subnet_of(asked).overlaps(subnet_of(first)));
  CHECK_FALSE(subnet_of(first).overlaps(subnet_of(second)));
  CHECK(refusal(store, named("other", "172.18.0.1/16")) == "invalid subnet 172.18.0.1/16: it should be 172.18.0.0/16");
  CHECK(refusal(store, named("host")) == "operation is not permitted on predefined host network");
  CHECK(refusal(store, named("a/b")) ==
        "network name \"a/b\" is invalid: only \"[a-zA-Z0-9][a-zA-Z0-9_.-]*\" are allowed");
  CHECK(store.list().size() == 3);
}

TEST_CASE("what is no description is left out, and what a killed process has left goes") {
  const TemporaryPlaces places;
  const NetworkStore store(places.places);
  const Network made = store.create(named("mynetwork"));
  const std::string root = places.places.data + "/networks/";
  write_file_atomic(root + "broken.json", "{");
  write_file_atomic(root + "copy.json", read_file(root + "mynetwork.json"));
  write_file_atomic(root + "other.json.0123abcd.tmp", "{");
  CHECK(store.list().size() == 1);
  CHECK_THROWS_AS((void)store.find("broken"), InvalidInput);
  CHECK_THROWS_AS((void)store.find("copy"), InvalidInput);
  for (const char* name : {"broken", "copy"}) CHECK(store.remove_unreadable(name));
  for (const char* name : {"broken", "mynetwork", "../x"}) CHECK_FALSE(store.remove_unreadable(name));
  store.remove(made);
  CHECK(std::ranges::count(list_directory(root), "other.json.0123abcd.tmp") == 0);
}

TEST_CASE("a network stays while a container is on it") {
  const TemporaryPlaces places;
  const NetworkStore store(places.places);
  const Network network = store.create(named("mynetwork")), unused = store.create(named("unused"));
  const Container toto = container_on(places.places, network, "toto");
  const ContainerStore containers(places.places);

  State running;
  running.status = Status::running;
  answer_for(running);
  running.endpoints = {{.network = network.id, .interface = "eth0", .address = {}, .gateway = {}, .hardware_address = {}}};
  containers.write_state(toto, running);
  try {
    store.remove(network);
    FAIL("it is in use");
  } catch (const Conflict& error) {
    CHECK(error.what() == fmt::format("error while removing network: network mynetwork has active endpoints "
                                      "(name:\"toto\" id:\"{}\")", toto.spec.id.substr(0, 12)));
  }
  const auto all = [](const Network&) { return true; };
  CHECK(store.prune([](const Network&) { return false; }).empty());
  CHECK(store.prune(all).front().id == unused.id);
  CHECK(store.list().size() == 1);

  State exited;
  exited.status = Status::exited;
  containers.write_state(toto, exited);
  CHECK(store.prune(all).empty());
  store.remove(network);
  CHECK(store.list().empty());
}

TEST_CASE("what is made and removed is an event") {
  const TemporaryPlaces places;
  const NetworkStore store(places.places);
  const Network network = store.create(named("mynetwork"));
  store.remove(network);
  std::vector<std::string> told;
  read_events(places.places.data, {}, [&](const Event& event) {
    told.push_back(fmt::format("{} {} {} {}", event.type, event.action, event.attributes.at("name"),
                               event.attributes.at("type")));
    CHECK(event.id == network.id);
  });
  CHECK(told == std::vector<std::string>{"network create mynetwork bridge", "network destroy mynetwork bridge"});
}

TEST_CASE("who joins and who removes a network wait for each other") {
  const TemporaryPlaces places;
  const NetworkStore store(places.places);
  (void)store.create(named("mynetwork"));
  const std::string lock = places.places.data + "/networks/.lock";
  {
    const SharedLock one = store.hold_shared(), other = store.hold_shared();
    CHECK_FALSE(FileLock::if_free(lock).has_value());
  }
  CHECK(FileLock::if_free(lock).has_value());
}
