// Where a container's cgroup goes, as data.
#include "sandbox/runtime/cgroup_plan.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::runtime;
using cgroup::Layout;

namespace {

struct Case {
  oci::Linux part;
  CgroupManager manager = CgroupManager::cgroupfs;
  cgroup::Surroundings surroundings;

  Case() {
    surroundings.layout = Layout::unified;
    surroundings.mount = {"/", "/sys/fs/cgroup"};
    surroundings.directory = "/sys/fs/cgroup/mine";
    surroundings.writable = true;
    surroundings.uid = 1000;
  }
  void limit(const char* text = R"({"pids":{"limit":5}})") { part.resources = Json::parse(text); }
  CgroupPlan plan() const { return plan_cgroup(part, "box", manager, surroundings); }
  std::string failure() const {
    try {
      plan();
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
};

}  // namespace

TEST_CASE("without a path the cgroup is below the caller's own, under the container's name") {
  Case c;
  CHECK(c.plan().directory == "/sys/fs/cgroup/mine/box");
  CHECK(c.plan().top == "/sys/fs/cgroup/mine");
  CHECK_FALSE(c.plan().asked_for);
  c.limit();
  CHECK(c.plan().asked_for);
}

TEST_CASE("a path counts from the mount's root when it is absolute, from the own cgroup otherwise") {
  Case c;
  c.part.cgroups_path = "/pod//a/";
  CHECK(c.plan().directory == "/sys/fs/cgroup/pod/a");
  CHECK(c.plan().top == "/sys/fs/cgroup");
  c.part.cgroups_path = "pod/a";
  CHECK(c.plan().directory == "/sys/fs/cgroup/mine/pod/a");
}

TEST_CASE("a path that leads above, or names no cgroup, is refused") {
  for (const char* path : {"/", "/..", "/../x", "../x", "/a/../..", "/a/../../x", "/.", "."}) {
    Case c;
    c.part.cgroups_path = path;
    CHECK(c.failure() == fmt::format("linux.cgroupsPath '{}' does not name a cgroup below the root", path));
  }
}

TEST_CASE("where nothing is delegated there is no cgroup, and an error only when something was asked for") {
  Case c;
  c.surroundings.writable = false;
  CHECK(c.plan().directory.empty());
  c.limit(R"({"pids":{"limit":-1},"devices":[{"allow":false,"access":"rwm"}]})");
  CHECK(c.plan().directory.empty());
  c.limit();
  CHECK(c.failure() ==
        "linux.resources.pids.limit can't be applied: the cgroup '/sys/fs/cgroup/mine' is not delegated to this user");
  c.part.resources.reset();
  c.part.cgroups_path = "pod";
  CHECK(c.failure() ==
        "linux.cgroupsPath 'pod' can't be made: the cgroup '/sys/fs/cgroup/mine' is not delegated to this user");
}

TEST_CASE("without cgroup v2 the error says so") {
  Case c;
  c.surroundings = {};
  CHECK(c.plan().directory.empty());
  c.limit();
  CHECK(c.failure() == "linux.resources.pids.limit can't be applied: no cgroup v2 is mounted here");
  c.surroundings.layout = Layout::legacy;
  CHECK(c.failure() ==
        "linux.resources.pids.limit can't be applied: this machine has cgroup v1 only, and v2 is what this runtime "
        "knows");
}

TEST_CASE("a disabled manager makes nothing, and limits are an error then") {
  Case c;
  c.manager = CgroupManager::disabled;
  c.part.cgroups_path = "/ignored";
  CHECK(c.plan().directory.empty());
  c.limit();
  CHECK(c.failure() == "linux.resources.pids.limit can't be applied: cgroups are disabled");
}

TEST_CASE("systemd is asked for slice:prefix:name") {
  Case c;
  c.manager = CgroupManager::systemd;
  c.surroundings.manager_bus = "/run/user/1000/bus";
  c.part.cgroups_path = "machine.slice:libpod:abc";
  CHECK(c.plan().scope->slice == "machine.slice");
  CHECK(c.plan().scope->unit == "libpod-abc.scope");
  CHECK(c.plan().scope->bus == "/run/user/1000/bus");
  c.part.cgroups_path = "::abc";
  CHECK(c.plan().scope->slice == "user.slice");
  CHECK(c.plan().scope->unit == "abc.scope");
  c.part.cgroups_path.clear();
  CHECK(c.plan().scope->unit == "sandbox-box.scope");
  c.surroundings.uid = 0;
  CHECK(c.plan().scope->slice == "system.slice");
  CHECK(c.plan().scope->bus == "/run/dbus/system_bus_socket");
}

TEST_CASE("names that are none of systemd's are refused") {
  Case c;
  c.manager = CgroupManager::systemd;
  c.surroundings.manager_bus = "/run/user/1000/bus";
  for (const char* path : {"/a/b", "a:b", "a.slice:b:c:d"}) {
    c.part.cgroups_path = path;
    CHECK(c.failure() ==
          fmt::format("expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got "
                      "\"{}\" instead",
                      path));
  }
  for (const char* path : {"a.slice:b:", "a:b:c", "../a.slice:b:c", "a.slice:b:c d", "a.slice:b:../c"}) {
    c.part.cgroups_path = path;
    CHECK(c.failure() == fmt::format("cgroupsPath \"{}\" does not name a slice and a scope of systemd", path));
  }
}

TEST_CASE("systemd can't be asked on a hybrid machine, or without a session") {
  Case c;
  c.manager = CgroupManager::systemd;
  CHECK(c.failure() == "systemd can't be asked for a cgroup: this user has no session of it");
  c.surroundings.layout = Layout::hybrid;
  CHECK(c.failure() == "systemd can't be asked for a cgroup: this machine has its controllers in cgroup v1");
}

TEST_CASE("with little memory the process enters when everything is made") {
  Case c;
  c.limit(R"({"memory":{"limit":524288}})");
  CHECK(c.plan().late_entry);
  c.limit(R"({"memory":{"limit":67108864}})");
  CHECK_FALSE(c.plan().late_entry);
  c.limit(R"({"unified":{"memory.max":"1000000"}})");
  CHECK(c.plan().late_entry);
  CHECK_FALSE(is_tight("max\n"));
  CHECK(is_tight("65536\n"));
}

TEST_CASE(
    "rules for devices are a program where there is a cgroup, and an error where they must hold and there is none") {
  Case c;
  CgroupUse use{.devices = {.rules = {{}}, .asked_for = true}, .owner = 1000};
  const auto plan = [&] { return plan_cgroup(c.part, "box", c.manager, c.surroundings, use); };
  CHECK(plan().device_program == cgroup::compile_device_rules({{}}));
  CHECK(plan().owner == 1000);
  CHECK_FALSE(plan().asked_for);
  use.devices.required = true;
  CHECK(plan().asked_for);
  CHECK(plan().devices_required);
  c.manager = CgroupManager::disabled;
  CHECK_THROWS_WITH(plan(), "linux.resources.devices can't be applied: cgroups are disabled");
  c.manager = CgroupManager::cgroupfs;
  c.surroundings.mount.reset();
  c.surroundings.layout = Layout::legacy;
  CHECK_THROWS_WITH(plan(),
                    "linux.resources.devices can't be applied: this machine has cgroup v1 only, and v2 is what this "
                    "runtime knows");
  use.devices.required = false;
  CHECK(plan().device_program.empty());
  CHECK_FALSE(plan().owner.has_value());
}
