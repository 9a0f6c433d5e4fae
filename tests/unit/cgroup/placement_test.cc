// The ladder as a decision, and the kernel's texts that it rests on.
#include "sandbox/cgroup/placement.h"

#include <doctest/doctest.h>

namespace sandbox::cgroup {
namespace {

const std::vector<std::string> usual = {"cpu", "memory", "pids"};

Surroundings desktop() {
  Surroundings found;
  found.layout = Layout::unified;
  found.directory = "/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope";
  found.manager_bus = "/run/user/1000/bus";
  found.manager_controllers = usual;
  return found;
}

Surroundings delegated() {
  Surroundings found;
  found.layout = Layout::unified;
  found.directory = "/sys/fs/cgroup/mine";
  found.writable = true;
  found.controllers = usual;
  return found;
}

std::vector<Setting> memory() { return plan_settings({.memory = 64U << 20}); }

TEST_CASE("with limits the user's systemd is asked for a scope; without, nobody is") {
  CHECK(choose(desktop(), memory()).rung == Rung::scope);
  CHECK(choose(desktop(), memory()).missing.empty());
  CHECK(choose(desktop(), {}).rung == Rung::none);
}

TEST_CASE("a container that has to have a cgroup of its own asks for a scope without limits, too") {
  CHECK(choose(desktop(), {}, Own::needed).rung == Rung::scope);
  CHECK(choose(delegated(), {}, Own::needed).rung == Rung::delegated);
  Surroundings neither = desktop();
  neither.manager_bus.clear();
  CHECK(choose(neither, {}, Own::needed).rung == Rung::none);
  CHECK_FALSE(choose(neither, {}, Own::needed).reason.empty());
}

TEST_CASE("a delegated subtree serves with and without limits") {
  CHECK(choose(delegated(), memory()).rung == Rung::delegated);
  CHECK(choose(delegated(), {}).rung == Rung::delegated);
}

TEST_CASE("where both are there, the scope comes first unless it has fewer of the controllers") {
  Surroundings both = delegated();
  both.manager_bus = "/run/user/1000/bus";
  both.manager_controllers = usual;
  CHECK(choose(both, memory()).rung == Rung::scope);
  both.manager_controllers = {"pids"};
  CHECK(choose(both, memory()).rung == Rung::delegated);
}

TEST_CASE("a batch job's cgroup is never left") {
  Surroundings job = desktop();
  job.batch_job = "4711";
  const Choice refused = choose(job, memory());
  CHECK(refused.rung == Rung::none);
  CHECK(refused.reason.find("batch job 4711") != std::string::npos);
  job.writable = true;
  job.controllers = usual;
  CHECK(choose(job, memory()).rung == Rung::delegated);
}

TEST_CASE("a controller that is not delegated is missing, with reason and remedy") {
  const Choice choice = choose(desktop(), plan_settings({.memory = 64U << 20, .cpuset_cpus = "0"}));
  REQUIRE(choice.missing.size() == 1);
  CHECK(choice.missing[0].file == "cpuset.cpus");
  CHECK(choice.reason.ends_with(": cpuset"));
  CHECK(choice.hint.find("Delegate=") != std::string::npos);
}

TEST_CASE("without any rung everything is missing, and the reason names the layout or the cgroup") {
  Surroundings bare = desktop();
  bare.manager_bus.clear();
  CHECK(choose(bare, memory()).missing.size() == memory().size());
  CHECK(choose(bare, memory()).reason.find("session-2.scope' is not delegated") != std::string::npos);
  bare.layout = Layout::hybrid;
  CHECK(choose(bare, memory()).reason.find("cgroup v1") != std::string::npos);
  CHECK(choose(Surroundings{}, memory()).reason.find("no cgroup v2") != std::string::npos);
}

TEST_CASE("a hybrid machine's delegated subtree without controllers still holds a container") {
  Surroundings hybrid = delegated();
  hybrid.layout = Layout::hybrid;
  hybrid.controllers.clear();
  CHECK(choose(hybrid, {}).rung == Rung::delegated);
  CHECK(choose(hybrid, memory()).missing.size() == memory().size());
}

TEST_CASE("the own cgroup is the line without a hierarchy number") {
  CHECK(unified_path("0::/user.slice/x.scope\n") == "/user.slice/x.scope");
  CHECK(unified_path("4:memory:/a\n1:name=systemd:/b\n0::/\n") == "/");
  CHECK_FALSE(unified_path("4:memory:/a\n"));
  CHECK_FALSE(unified_path(""));
}

TEST_CASE("a path below a cgroup begins behind the first one of its name") {
  CHECK(path_below("/user.slice/box", "box") == "");
  CHECK(path_below("/user.slice/box/init.scope", "box") == "/init.scope");
  CHECK(path_below("/user.slice/box/box/x", "box") == "/box/x");
  CHECK_FALSE(path_below("/user.slice/box2/x", "box"));
  CHECK_FALSE(path_below("/user.slice/abox", "box"));
  CHECK_FALSE(path_below("/", "box"));
}

TEST_CASE("a v1 hierarchy counts when it has controllers") {
  CHECK(has_legacy_controllers("4:memory:/a\n0::/\n"));
  CHECK(has_legacy_controllers("2:cpu,cpuacct:/\n"));
  CHECK_FALSE(has_legacy_controllers("1:name=systemd:/b\n0::/\n"));
  CHECK_FALSE(has_legacy_controllers("0::/\n"));
}

TEST_CASE("the mount of cgroup2 is found, its path unescaped") {
  const auto mount = find_cgroup2(
      "22 1 0:20 / /proc rw - proc proc rw\n"
      "30 22 0:26 /sub /mnt/a\\040b rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  REQUIRE(mount);
  CHECK(mount->root == "/sub");
  CHECK(mount->point == "/mnt/a b");
  CHECK_FALSE(find_cgroup2("30 22 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n"));
  CHECK_FALSE(find_cgroup2("nonsense - cgroup2 \n"));
}

TEST_CASE("a cgroup's directory is below the mount that shows it, or nowhere") {
  CHECK(directory_of({"/", "/sys/fs/cgroup"}, "/a/b") == "/sys/fs/cgroup/a/b");
  CHECK(directory_of({"/", "/sys/fs/cgroup"}, "/") == "/sys/fs/cgroup");
  CHECK(directory_of({"/a", "/c"}, "/a/b") == "/c/b");
  CHECK(directory_of({"/a", "/c"}, "/a") == "/c");
  CHECK(directory_of({"/a", "/c"}, "/ab").empty());
  CHECK(directory_of({"/", "/c"}, "/../outside").empty());
}

TEST_CASE("the lowest directory above two cgroups") {
  CHECK(common_ancestor("/c/a/b", "/c/a/d") == "/c/a");
  CHECK(common_ancestor("/c/a", "/c/ab") == "/c");
  CHECK(common_ancestor("/c/a", "/c/a/b") == "/c/a");
  CHECK(common_ancestor("/c/a", "/c/a") == "/c/a");
  CHECK(common_ancestor("/a", "/b").empty());
}

TEST_CASE("who is in the leaf makes children beside it") {
  CHECK(base_of("/sys/fs/cgroup/x/sandbox-supervisor") == "/sys/fs/cgroup/x");
  CHECK(base_of("/sys/fs/cgroup/x") == "/sys/fs/cgroup/x");
  CHECK(base_of("/sandbox-supervisor") == "/sandbox-supervisor");
}

TEST_CASE("an id is translated by the map of its namespace") {
  constexpr const char* map = "         0       1001          1\n         1     100000      65536\n";
  CHECK(outside_id(map, 0) == 1001);
  CHECK(outside_id(map, 3) == 100002);
  CHECK_FALSE(outside_id(map, 70000));
  CHECK(outside_id("0 0 4294967295\n", 1001) == 1001);
  CHECK_FALSE(outside_id("", 0));
}

}  // namespace
}  // namespace sandbox::cgroup
