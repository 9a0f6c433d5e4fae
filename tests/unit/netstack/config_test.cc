#include <doctest/doctest.h>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::netstack;

TEST_CASE("a configuration survives the way through JSON") {
  Config config;
  config.guest_address = "10.9.8.7";
  config.gateway = "10.9.8.1";
  config.dns = "10.9.8.2";
  config.prefix = 16;
  config.mtu = 1500;
  config.allow_host_loopback = true;
  config.forwards = {{.host_ip = "127.0.0.1", .host_port = 8080, .guest_port = 80, .udp = false},
                     {.host_ip = "0.0.0.0", .host_port = 5353, .guest_port = 53, .udp = true}};
  const Config back = config_from_json(parse_json(to_json(config).dump(), "test"));
  CHECK(to_json(back) == to_json(config));
  CHECK(back.forwards.at(1).udp);
  CHECK(back.forwards.at(0).host_port == 8080);
}

TEST_CASE("a configuration with a missing field, a wrong type or a number out of range is refused") {
  Json document = to_json(Config{});
  document.erase("dns");
  CHECK_THROWS_AS(config_from_json(document), InvalidInput);
  document = to_json(Config{});
  document["mtu"] = "large";
  CHECK_THROWS_AS(config_from_json(document), InvalidInput);
  document["mtu"] = 65521;
  CHECK_THROWS_AS(config_from_json(document), InvalidInput);
  CHECK_THROWS_AS(config_from_json(Json::array()), InvalidInput);
}
