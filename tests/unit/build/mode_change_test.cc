#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/build/mode_change.h"

using namespace sandbox;
using namespace sandbox::build;

TEST_CASE("an octal mode is the mode") {
  CHECK(ModeChange("755").applied(0, false) == 0755);
  CHECK(ModeChange("0640").applied(07777, true) == 0640);
  CHECK(ModeChange("4755").applied(0644, false) == 04755);
  CHECK(ModeChange("0").applied(0777, false) == 0);
}

TEST_CASE("a symbolic mode changes what it names") {
  CHECK(ModeChange("u=rwX,go=rX").applied(0600, false) == 0644);
  CHECK(ModeChange("u=rwX,go=rX").applied(0700, true) == 0755);
  CHECK(ModeChange("a+X").applied(0644, false) == 0644);
  CHECK(ModeChange("a+X").applied(0744, false) == 0755);
  CHECK(ModeChange("+x").applied(0644, false) == 0755);
  CHECK(ModeChange("g-w,o=").applied(0666, false) == 0640);
  CHECK(ModeChange("u+s,+t").applied(0755, true) == 05755);
  CHECK(ModeChange("g=").applied(02755, false) == 0705);
}

TEST_CASE("other words are refused") {
  for (const char* bad : {"", "8", "99", "77777", "100000", "u", "u=q", "rw", "u+x,", "=,", "u~x"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(ModeChange{bad}, InvalidInput);
  }
}
