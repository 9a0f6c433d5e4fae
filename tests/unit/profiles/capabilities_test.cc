// Capability names and Docker's rules for --cap-add and --cap-drop.
#include <doctest/doctest.h>

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::profiles;

TEST_CASE("a capability is named in any case, with or without CAP_") {
  CHECK(capability_bit("CAP_SYS_ADMIN") == 1ULL << 21);
  CHECK(capability_bit("sys_admin") == 1ULL << 21);
  CHECK(capability_bit("cap_Chown") == 1ULL);
  CHECK(capability_bit("CHECKPOINT_RESTORE") == 1ULL << 40);
}

TEST_CASE("an unknown capability is a usage error") {
  CHECK_THROWS_AS(capability_bit("SYS_EVERYTHING"), UsageError);
  CHECK_THROWS_AS(capability_bit(""), UsageError);
  CHECK_THROWS_AS(apply_capability_options(0, {"nonsense"}, {}), UsageError);
  CHECK_THROWS_AS(apply_capability_options(0, {"ALL"}, {"nonsense"}), UsageError);
}

TEST_CASE("the default set is Docker's fourteen") {
  CHECK(default_capabilities() == 0xa80425fbULL);
  CHECK(capability_names(default_capabilities()).size() == 14);
}

TEST_CASE("names and bits are each other's inverse") {
  for (const std::string& name : capability_names((1ULL << 41) - 1)) {
    CHECK(capability_names(capability_bit(name)) == std::vector<std::string>{name});
  }
}

TEST_CASE("the running kernel's set is dense and holds the default set") {
  const auto all = all_capabilities();
  CHECK((all & default_capabilities()) == default_capabilities());
  CHECK((all & (all + 1)) == 0);
}

TEST_CASE("adding and dropping follow Docker's precedence") {
  const auto base = default_capabilities();
  const auto chown = capability_bit("CHOWN");
  const auto admin = capability_bit("SYS_ADMIN");
  CHECK(apply_capability_options(base, {}, {}) == base);
  CHECK(apply_capability_options(base, {"SYS_ADMIN"}, {"cap_chown"}) == ((base & ~chown) | admin));
  CHECK(apply_capability_options(base, {"CHOWN"}, {"CHOWN"}) == base);
  CHECK(apply_capability_options(base, {}, {"all"}) == 0);
  CHECK(apply_capability_options(base, {"chown"}, {"ALL"}) == chown);
  CHECK(apply_capability_options(base, {"All"}, {}) == all_capabilities());
  CHECK(apply_capability_options(base, {"ALL"}, {"SYS_ADMIN"}) == (all_capabilities() & ~admin));
  CHECK(apply_capability_options(base, {"ALL"}, {"ALL"}) == all_capabilities());
}
