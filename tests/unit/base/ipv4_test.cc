// Addresses and ranges as text and as numbers.
#include "sandbox/base/ipv4.h"

#include <doctest/doctest.h>

using namespace sandbox;

TEST_CASE("an address read and written is the same, and nothing else is one") {
  CHECK(ipv4_text(parse_ipv4("172.18.0.1").value()) == "172.18.0.1");
  CHECK(ipv4_text(parse_ipv4("255.255.255.255").value()) == "255.255.255.255");
  CHECK(parse_ipv4("0.0.0.0") == 0);
  for (const char* text : {"", "172.18.0", "172.18.0.256", "172.18.0.1 ", "::1", "a", "172.18.0.1/16"}) {
    CHECK_FALSE(parse_ipv4(text).has_value());
  }
}

TEST_CASE("a range is what agrees in its first bits") {
  const Ipv4Range range = parse_ipv4_range("172.18.3.4/16").value();
  CHECK(range.text() == "172.18.0.0/16");
  CHECK(ipv4_text(range.last()) == "172.18.255.255");
  CHECK(parse_ipv4_range("1.2.3.4/32")->last() == parse_ipv4("1.2.3.4"));
  CHECK(parse_ipv4_range("1.2.3.4/0").value() == Ipv4Range{0, 0});
  for (const char* text : {"", "1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/8x", "1.2.3/8", "/8"}) {
    CHECK_FALSE(parse_ipv4_range(text).has_value());
  }
}

TEST_CASE("ranges overlap where one contains the other") {
  const auto overlap = [](const char* one, const char* other) {
    const auto first = parse_ipv4_range(one).value(), second = parse_ipv4_range(other).value();
    CHECK(first.overlaps(second) == second.overlaps(first));
    return first.overlaps(second);
  };
  CHECK(overlap("172.18.0.0/16", "172.18.0.0/16"));
  CHECK(overlap("172.16.0.0/12", "172.18.0.0/16"));
  CHECK(overlap("0.0.0.0/0", "172.18.0.0/16"));
  CHECK_FALSE(overlap("172.18.0.0/16", "172.19.0.0/16"));
  CHECK_FALSE(overlap("192.168.0.0/20", "192.168.16.0/20"));
  CHECK(parse_ipv4_range("10.0.0.0/8")->contains(parse_ipv4("10.255.0.1").value()));
  CHECK_FALSE(parse_ipv4_range("10.0.0.0/8")->contains(parse_ipv4("11.0.0.0").value()));
}
