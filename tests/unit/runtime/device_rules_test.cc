// What becomes of linux.resources.devices, by who asks and what the container may do.
#include "sandbox/runtime/device_rules.h"

#include <doctest/doctest.h>

#include "profiles/capabilities.h"
#include "sandbox/base/json.h"
#include "sandbox/runtime/plan.h"

using namespace sandbox;
using namespace sandbox::runtime;
using cgroup::DeviceRule;
using cgroup::DeviceType;

namespace {

constexpr const char* usual = R"([{"allow":false,"access":"rwm"}])";

struct Case {
  userns::LaunchPlan launch;
  Caller caller{.capabilities = profiles::all_capabilities(), .initial_namespace = true};
  Case() {
    launch.namespaces.user = false;
    launch.process.capabilities = profiles::capability_bit("CAP_MKNOD");
  }
  DeviceGuard guard(const char* devices) const {
    return plan_device_guard(Json{{"devices", Json::parse(devices)}}, "config.json", launch, caller);
  }
  std::string failure(const char* devices) const {
    try {
      guard(devices);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
};

}  // namespace

TEST_CASE("the rules come in their order, and before those for what every container may use") {
  const Case c;
  const DeviceGuard guard = c.guard(R"([{"allow":false},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
                                        {"allow":true,"type":"b","major":8,"minor":-1,"access":"m"}])");
  REQUIRE(guard.rules.size() > 3);
  CHECK(guard.rules[0] == DeviceRule{});
  CHECK(guard.rules[1] == DeviceRule{true, DeviceType::character, 10, 229, cgroup::kReadDevice | cgroup::kWriteDevice});
  CHECK(guard.rules[2] == DeviceRule{true, DeviceType::block, 8, {}, cgroup::kMakeNode});
  CHECK(guard.rules[3] == DeviceRule{.allow = true, .access = cgroup::kMakeNode});
  CHECK(guard.rules.back() == DeviceRule{true, DeviceType::character, 136, {}});
}

TEST_CASE("they must be enforced where a process of the container can make nodes that mean something") {
  Case c;
  CHECK(c.guard(usual).required);
  CHECK_FALSE(c.guard("[]").required);
  CHECK_FALSE(c.guard("[]").rules.empty());  // what is usual
  c.launch.process.capabilities = 0;
  CHECK_FALSE(c.guard(usual).required);
  CHECK_FALSE(c.guard(usual).rules.empty());
  c.launch.process.capabilities = profiles::capability_bit("CAP_MKNOD");
  c.launch.namespaces.user = true;
  CHECK_FALSE(c.guard(usual).required);
  CHECK_FALSE(c.guard(usual).rules.empty());
  CHECK(c.guard("[]").rules.empty());
  c.launch.namespaces.user = false;
  c.launch.namespaces.joined = {{userns::NamespaceKind::user, "/x"}};
  CHECK_FALSE(c.guard(usual).required);
}

TEST_CASE("who can't load a program enforces nothing, and says so where it matters") {
  Case c;
  c.caller.capabilities = profiles::capability_bit("CAP_MKNOD");
  CHECK(c.guard(usual).rules.empty());
  CHECK(c.guard(usual).required);
  c.caller.capabilities |= profiles::capability_bit("CAP_BPF");
  CHECK(c.guard(usual).rules.empty());
  c.caller.capabilities |= profiles::capability_bit("CAP_NET_ADMIN");
  CHECK_FALSE(c.guard(usual).rules.empty());
  c.caller.initial_namespace = false;
  CHECK(c.guard(usual).rules.empty());
  CHECK_FALSE(c.guard(usual).required);
}

TEST_CASE("rules that allow everything need no enforcement, and nodes of the host's root mean something") {
  Case c;
  for (const char* rules : {R"([{"allow":true}])", R"([{"allow":false},{"allow":true,"type":"a","access":"rwm"}])",
                            R"([{"allow":true},{"allow":true,"type":"c","major":1}])"}) {
    CAPTURE(rules);
    CHECK(c.guard(rules).open);
    CHECK_FALSE(c.guard(rules).required);
    CHECK(c.guard(rules).rules.empty());
  }
  CHECK_FALSE(c.guard(R"([{"allow":true},{"allow":false,"type":"c","major":1}])").open);
  CHECK_FALSE(c.guard(R"([{"allow":true,"access":"rw"}])").open);
  c.launch.namespaces.user = true;
  CHECK_FALSE(c.guard(R"([{"allow":true}])").open);
}

TEST_CASE("hostile members are refused by name") {
  const Case c;
  CHECK(c.failure(R"([{"type":"x"}])") == "config.json: linux.resources.devices[0].type is none of a, b, c");
  CHECK(c.failure(R"([{"access":"rx"}])") ==
        "config.json: linux.resources.devices[0].access has other letters than r, w, m");
  CHECK(c.failure(R"([{"major":4294967296}])") == "config.json: linux.resources.devices[0].major is no device number");
  CHECK(c.failure(R"([{"allow":1}])") == "config.json: linux.resources.devices[0].allow is not true or false");
}
