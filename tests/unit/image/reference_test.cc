// The grammar of references.
#include "sandbox/image/reference.h"

#include <doctest/doctest.h>

#include <string>

#include "sandbox/base/error.h"

namespace sandbox::image {
namespace {

const std::string digest = "sha256:" + std::string(64, 'a');

TEST_CASE("a reference gets Docker's defaults") {
  const struct {
    std::string text, canonical, familiar;
  } table[] = {
      {"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
      {"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"},
      {"someone/thing", "docker.io/someone/thing:latest", "someone/thing:latest"},
      {"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
      {"index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
      {"localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"},
      {"localhost/x", "localhost/x:latest", "localhost/x:latest"},
      {"LOCAL/x:T", "LOCAL/x:T", "LOCAL/x:T"},
      {"[::1]:5000/a/b:c", "[::1]:5000/a/b:c", "[::1]:5000/a/b:c"},
      {"quay.io/a/b/c:v1", "quay.io/a/b/c:v1", "quay.io/a/b/c:v1"},
      {"a__b/c-d---e.f_g", "docker.io/a__b/c-d---e.f_g:latest", "a__b/c-d---e.f_g:latest"},
      {"busybox@" + digest, "docker.io/library/busybox@" + digest, "busybox@" + digest},
      {"x@sha512:" + std::string(128, 'a'), "docker.io/library/x@sha512:" + std::string(128, 'a'),
       "x@sha512:" + std::string(128, 'a')},
      {"busybox:1@" + digest, "docker.io/library/busybox@" + digest, "busybox@" + digest},
  };
  for (const auto& row : table) {
    CAPTURE(row.text);
    CHECK(parse_reference(row.text).canonical() == row.canonical);
    CHECK(parse_reference(row.text).familiar() == row.familiar);
    CHECK(parse_reference(row.canonical).canonical() == row.canonical);
  }
}

TEST_CASE("a malformed reference is a usage error") {
  const std::string bad[] = {"",
                             ":tag",
                             "BusyBox",
                             "a/B",
                             "a..b",
                             "a___b",
                             "-a",
                             "a-",
                             "a//b",
                             "/a",
                             "a/",
                             "a:",
                             "a:-x",
                             "a:b:c",
                             "a b",
                             "../x",
                             "a@sha256:12",
                             "a@sha512:" + std::string(64, 'a'),
                             "a@md5:" + std::string(32, 'a'),
                             "x:" + std::string(129, 't'),
                             std::string(64, 'a'),
                             std::string(256, 'a'),
                             "host:port/x",
                             "bad..host/x",
                             "-h.x/a",
                             "a\n",
                             "é"};
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_reference(text), UsageError);
  }
}

TEST_CASE("a digest of an unknown algorithm is named") {
  CHECK_THROWS_WITH(parse_reference("x@sha384:" + std::string(96, 'a')),
                    doctest::Contains("the digest has an unknown algorithm: sha256 and sha512 are known"));
}

}  // namespace
}  // namespace sandbox::image
