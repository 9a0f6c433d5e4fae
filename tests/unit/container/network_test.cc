// What a user-defined network's addresses come to.
#include "sandbox/container/network.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::container;

namespace {

Network network(std::string subnet, std::string gateway, std::string ip_range = {}) {
  Network made;
  made.id = std::string(64, 'a');
  made.name = "mynetwork";
  made.created = 1'700'000'000;
  made.subnet = std::move(subnet);
  made.gateway = std::move(gateway);
  made.ip_range = std::move(ip_range);
  return made;
}

std::string fault_of(const Network& wanted) {
  try {
    check_network(wanted);
    return "";
  } catch (const InvalidInput& error) {
    return error.what();
  }
}

Ipv4Range range(const char* text) { return parse_ipv4_range(text).value(); }

}  // namespace

TEST_CASE("a network's description read back is the same") {
  Network first = network("172.50.0.0/16", "172.50.0.1", "172.50.5.0/24");
  first.labels = {{"a", "b"}};
  first.options = {{"com.docker.network.driver.mtu", "1400"}};
  first.reserved = {{"router", "172.50.0.9"}};
  first.mtu = 1400;
  first.internal = true;
  const Json document = to_json(first);
  CHECK(to_json(network_from_json(parse_json(document.dump(), "test"))) == document);
}

TEST_CASE("a description is refused that no network can have") {
  const Json good = to_json(network("172.50.0.0/16", "172.50.0.1"));
  (void)network_from_json(good);
  const std::pair<const char*, Json> changes[] = {
      {"id", "abc"},         {"name", "../x"},           {"name", ""},    {"subnet", "172.50.0.0"},
      {"gateway", "10.0.0.1"}, {"ip_range", "10.0.0.0/24"}, {"mtu", 67},    {"mtu", 65521},
      {"version", 2},        {"reserved", {{"a", "b"}}},  {"created", "x"}};
  for (const auto& [key, value] : changes) {
    Json document = good;
    document[key] = value;
    CAPTURE(document.dump());
    CHECK_THROWS_AS((void)network_from_json(document), InvalidInput);
  }
  for (const auto& [key, value] : good.items()) {
    Json document = good;
    document.erase(key);
    CHECK_THROWS_AS((void)network_from_json(document), InvalidInput);
  }
}

TEST_CASE("faults of addresses have Docker's words") {
  CHECK(fault_of(network("172.50.0.0/16", "172.50.0.1")) == "");
  CHECK(fault_of(network("172.50.0.0/29", "172.50.0.6")) ==
        "invalid gateway 172.50.0.6: the network's name server has this address");
  CHECK(fault_of(network("x", "172.50.0.1")) == "invalid subnet x: invalid CIDR block notation");
  CHECK(fault_of(network("172.50.3.0/16", "172.50.0.1")) == "invalid subnet 172.50.3.0/16: it should be 172.50.0.0/16");
  CHECK(fault_of(network("172.50.0.0/30", "172.50.0.1")) ==
        "invalid subnet 172.50.0.0/30: its prefix is not within 8 to 29");
  CHECK(fault_of(network("127.50.0.0/16", "127.50.0.1")) ==
        "invalid subnet 127.50.0.0/16: no host's addresses are in 127.0.0.0/8");
  CHECK(fault_of(network("224.0.0.0/16", "224.0.0.1")) ==
        "invalid subnet 224.0.0.0/16: no host's addresses are in 224.0.0.0/3");
  CHECK(fault_of(network("172.50.0.0/16", "here")) == "invalid gateway here: invalid address");
  CHECK(fault_of(network("172.50.0.0/16", "172.51.0.1")) == "no matching subnet for gateway 172.51.0.1");
  CHECK(fault_of(network("172.50.0.0/16", "172.50.255.255")) ==
        "invalid gateway 172.50.255.255: it is the network's own or its broadcast address");
  CHECK(fault_of(network("172.50.0.0/16", "172.50.0.1", "172.51.0.0/24")) ==
        "no matching subnet for range 172.51.0.0/24");
  CHECK(fault_of(network("172.50.0.0/16", "172.50.0.1", "172.50.0.0/31")) ==
        "172.50.0.0/31 has no address for a container");
  CHECK(fault_of(network("172.50.0.0/16", "172.50.0.1", "172.50.0.0/30")) == "");
}

TEST_CASE("addresses are reserved that no member can have") {
  Network one = network("172.50.0.0/16", "172.50.0.1");
  one.reserved = {{"router", "172.50.0.9"}};
  std::vector<std::string> texts;
  for (const std::uint32_t address : reserved_addresses(one)) texts.push_back(ipv4_text(address));
  CHECK(texts == std::vector<std::string>{"172.50.0.0", "172.50.0.1", "172.50.0.9", "172.50.255.254", "172.50.255.255"});
  CHECK(dns_address(one) == "172.50.255.254");
  CHECK(pool_of(one) == range("172.50.0.0/16"));
  one.ip_range = "172.50.5.0/24";
  CHECK(pool_of(one) == range("172.50.5.0/24"));
  one.reserved = {{"router", "172.51.0.9"}};
  CHECK(fault_of(one) == "no matching subnet for aux-address 172.51.0.9");
}

TEST_CASE("the first free one of Docker's pools is chosen") {
  std::vector<Ipv4Range> taken;
  CHECK(choose_subnet(taken) == range("172.18.0.0/16"));
  taken = {range("172.18.0.0/16"), range("172.20.4.0/24"), range("10.0.0.0/8")};
  CHECK(choose_subnet(taken) == range("172.19.0.0/16"));
  taken.push_back(range("172.19.255.7/32"));
  CHECK(choose_subnet(taken) == range("172.21.0.0/16"));
  taken.push_back(range("172.16.0.0/12"));
  CHECK(choose_subnet(taken) == range("192.168.0.0/20"));
  taken.push_back(range("192.168.17.0/24"));
  CHECK(choose_subnet(taken) == range("192.168.0.0/20"));
  taken.push_back(range("192.168.1.0/24"));
  CHECK(choose_subnet(taken) == range("192.168.32.0/20"));
  taken.push_back(range("0.0.0.0/0"));
  CHECK_FALSE(choose_subnet(taken).has_value());
}

TEST_CASE("thirty networks can be chosen one after the other") {
  std::vector<Ipv4Range> taken;
  while (const auto next = choose_subnet(taken)) {
    for (const Ipv4Range& one : taken) CHECK_FALSE(one.overlaps(*next));
    taken.push_back(*next);
  }
  CHECK(taken.size() == 30);
  CHECK(taken[13] == range("172.31.0.0/16"));
  CHECK(taken.back() == range("192.168.240.0/20"));
}

TEST_CASE("the host's routes are read but for those to everywhere") {
  // Of a machine with docker, a VPN that takes all, one host behind it, and a network behind another router.
  const char* text =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
      "tun0\t00000080\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
      "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
      "tun0\t070014AC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
      "eth0\t000010AC\t010200C0\t0003\t0\t0\t0\t0000F0FF\t0\t0\t0\n"
      "eth0\tnothing\n"
      "\n"
      "eth0\tzz\t0\t0\t0\t0\t0\tzz";
  const std::vector<Ipv4Range> expected = {range("172.17.0.0/16"), range("172.20.0.7/32"), range("172.16.0.0/12")};
  CHECK(routed_ranges(text) == expected);
  CHECK(routed_ranges("").empty());
}

TEST_CASE("names are Docker's") {
  for (const char* name : {"a", "mynetwork", "my_network.1-x", "1"}) CHECK(is_valid_network_name(name));
  for (const char* name : {"", "-a", ".a", "a/b", "a b", "ä"}) CHECK_FALSE(is_valid_network_name(name));
  CHECK_FALSE(is_valid_network_name(std::string(201, 'a')));
  CHECK(is_predefined_network("host"));
  CHECK_FALSE(is_predefined_network("hosts"));
}
