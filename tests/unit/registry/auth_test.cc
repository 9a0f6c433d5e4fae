// Challenges and urls, without a server.
#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/image/http.h"
#include "sandbox/image/registry_auth.h"

using namespace sandbox;
using namespace sandbox::image;

TEST_CASE("challenges are split, unquoted and in lower case") {
  const auto list = parse_challenges(R"(Basic realm="a, \"b\"", BEARER Realm="https://t/x?y=1",service=s)");
  REQUIRE(list.size() == 2);
  CHECK(list[0].scheme == "basic");
  CHECK(list[0].parameters.at("realm") == "a, \"b\"");
  CHECK(list[1].scheme == "bearer");
  CHECK(list[1].parameters.at("realm") == "https://t/x?y=1");
  CHECK(list[1].parameters.at("service") == "s");
}

TEST_CASE("malformed challenges end quietly") {
  for (const char* text : {"", "=", "\"", "realm=x", "Bearer realm=\"open", "\\", ",,,", "Bearer \"x\""}) {
    CAPTURE(text);
    CHECK_NOTHROW(parse_challenges(text));
  }
}

TEST_CASE("only literal loopback hosts count as loopback") {
  for (const char* text : {"http://localhost:5000/", "http://127.8.9.1/", "http://[::1]:80/", "http://LOCALHOST/"}) {
    CHECK(Url::parse(text).is_loopback());
  }
  for (const char* text : {"http://127.evil.example/", "http://localhost.evil/", "http://10.0.0.1/", "http://[::2]/"}) {
    CHECK_FALSE(Url::parse(text).is_loopback());
  }
}

TEST_CASE("urls with user information or another scheme are refused") {
  for (const char* text : {"http://user:pass@localhost/", "file:///etc/passwd", "gopher://localhost/", ""}) {
    CAPTURE(text);
    CHECK_THROWS_AS(Url::parse(text), InvalidInput);
  }
}

TEST_CASE("the port and the scheme are part of an origin") {
  const Url url = Url::parse("https://r.example/v2/");
  CHECK(url.same_origin(Url::parse("https://R.example:443/other")));
  CHECK_FALSE(url.same_origin(Url::parse("https://r.example:444/")));
  CHECK_FALSE(url.same_origin(Url::parse("http://r.example:443/")));
  CHECK(url.resolve("/a?b").text() == "https://r.example/a?b");
}
