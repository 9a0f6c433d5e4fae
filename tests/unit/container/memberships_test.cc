// What the networks of a container are to it, and what it says of itself on them.
#include "sandbox/container/memberships.h"

#include <doctest/doctest.h>

using namespace sandbox;
using namespace sandbox::container;

namespace {

std::vector<Network> networks(const std::vector<bool>& internal) {
  std::vector<Network> all;
  for (const bool one : internal) all.emplace_back().internal = one;
  return all;
}

constexpr NetworkPart kWayOut{.is_way_out = true, .asks_elsewhere = false},
    kBeside{.is_way_out = false, .asks_elsewhere = true};

}  // namespace

TEST_CASE("the first network that leads outside is the way out, where the container has none of its own") {
  using Parts = std::vector<NetworkPart>;
  CHECK(parts_of(networks({}), false).empty());
  CHECK(parts_of(networks({false, false}), false) == Parts{kWayOut, kBeside});
  CHECK(parts_of(networks({true, false, false}), false) == Parts{kBeside, kWayOut, kBeside});
  CHECK(parts_of(networks({true, true}), false) == Parts{kBeside, kBeside});
  CHECK(parts_of(networks({false, true}), true) == Parts{kBeside, kBeside});
}

TEST_CASE("a container says its names, its links, and on its way out its ports") {
  Spec spec;
  spec.id = std::string(64, 'a');
  spec.name = "web";
  spec.ports = {{.host_ip = "127.0.0.1", .host_port = 8080, .container_port = 80}};
  spec.name_service.servers = {"192.0.2.1"};
  const Attachment attachment{.network = "n",
                              .name = "net",
                              .address = {},
                              .hardware_address = {},
                              .aliases = {"front"},
                              .links = {"db:store"}};
  const auto out = joining(spec, attachment, {}, kWayOut);
  CHECK(out.names == std::vector<std::string>{"web", "front", "aaaaaaaaaaaa"});
  CHECK(out.links == std::map<std::string, std::string>{{"store", "db"}});
  CHECK(out.forwards.size() == 1);
  CHECK(out.name_servers == spec.name_service.servers);
  CHECK_FALSE(out.asks_elsewhere);
  const auto beside = joining(spec, attachment, {}, kBeside);
  CHECK(beside.forwards.empty());
  CHECK(beside.asks_elsewhere);
}

TEST_CASE("the address that a container had is liked, the one that was asked for is needed") {
  Spec spec;
  spec.id = std::string(64, 'a');
  Attachment attachment{
      .network = "n", .name = "net", .address = {}, .hardware_address = {}, .aliases = {}, .links = {}};
  const std::vector<Endpoint> before{
      {.network = "n", .interface = "eth0", .address = "172.18.0.5", .gateway = {}, .hardware_address = {}}};
  CHECK(joining(spec, attachment, {}, kWayOut).address.empty());
  CHECK(joining(spec, attachment, before, kWayOut).address == "172.18.0.5");
  CHECK_FALSE(joining(spec, attachment, before, kWayOut).address_is_needed);
  attachment.address = "172.18.0.9";
  CHECK(joining(spec, attachment, before, kWayOut).address == "172.18.0.9");
  CHECK(joining(spec, attachment, before, kWayOut).address_is_needed);
}
