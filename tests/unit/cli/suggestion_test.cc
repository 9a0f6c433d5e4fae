// "Did you mean".
#include "sandbox/cli/suggestion.h"

#include <doctest/doctest.h>

namespace sandbox::cli {
namespace {

constexpr std::string_view kKnown[] = {"run", "rm", "rmi", "rename", "restart", "ps", "images", "inspect"};

TEST_CASE("the nearest name within two letters is meant") {
  CHECK(suggestion("rnu", kKnown) == "run");
  CHECK(suggestion("image", kKnown) == "images");
  CHECK(suggestion("inpsect", kKnown) == "inspect");
  CHECK(suggestion("restrat", kKnown) == "restart");
  CHECK(suggestion("rmm", kKnown) == "rm");
  CHECK(did_you_mean("rnu", kKnown) == "did you mean 'run'?");
}

TEST_CASE("what is far from all names means none") {
  CHECK(suggestion("frobnicate", kKnown).empty());
  CHECK(suggestion("x", kKnown).empty());
  CHECK(suggestion("", kKnown).empty());
  CHECK(suggestion(std::string(1000, 'r'), kKnown).empty());
  CHECK(did_you_mean("frobnicate", kKnown).empty());
}

}  // namespace
}  // namespace sandbox::cli
