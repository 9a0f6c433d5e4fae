// Real cgroups below a delegated one that the test is in. Run by tests/vm/inside.sh, where there is such a thing.
#include "sandbox/cgroup/container_cgroup.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/cgroup/survey.h"

namespace sandbox::cgroup {
namespace {

std::string fresh_path() { return survey().directory + "/" + cgroup_name(random_hex(64)); }

/// A child in the cgroup that sleeps until it is killed.
sys::Cloned sleeper(const ContainerCgroup& cgroup) {
  sys::Cloned child = sys::clone3(0, cgroup.fd()) | or_throw("starting in the cgroup");
  if (child.pid == 0) {
    for (;;) ::pause();
  }
  return child;
}

TEST_CASE("the surroundings are a delegated subtree with the usual controllers") {
  const Surroundings found = survey();
  REQUIRE(found.writable);
  CHECK(found.layout == Layout::unified);
  for (const char* name : {"cpu", "memory", "pids"}) CHECK(std::ranges::count(found.controllers, name) == 1);
}

TEST_CASE("a cgroup has its settings, and goes with its owner together with what is in it") {
  const std::string path = fresh_path();
  enable_controllers(survey().directory, {"pids", "memory"});
  sys::Cloned child;
  {
    ContainerCgroup cgroup(path, plan_settings({.memory = 64U << 20, .pids = 7}));
    CHECK(read_file(path + "/pids.max") == "7\n");
    CHECK(read_file(path + "/memory.max") == "67108864\n");
    child = sleeper(cgroup);
    CHECK(read_file(path + "/cgroup.procs") == fmt::format("{}\n", child.pid));
    CHECK(cgroup.oom_kills() == 0);
  }
  CHECK((sys::wait_pidfd(child.pidfd.get()) | or_throw("wait")) == SIGKILL);
  CHECK_FALSE(path_exists(path));
}

TEST_CASE("enabling controllers moves this process into a leaf, and once is enough") {
  enable_controllers(survey().directory, {"pids"});
  CHECK(unified_path(read_file("/proc/self/cgroup"))->ends_with(kLeaf));
  CHECK_NOTHROW(enable_controllers(survey().directory, {"pids"}));
  CHECK(survey().writable);
}

TEST_CASE("a setting that the kernel refuses leaves no cgroup behind") {
  const std::string path = fresh_path();
  CHECK_THROWS_AS(ContainerCgroup(path, {{"--pids-limit", "pids.max", "many"}}), SysError);
  CHECK_FALSE(path_exists(path));
}

TEST_CASE("freezing returns when everything stands still, and can be undone") {
  ContainerCgroup cgroup(fresh_path(), {});
  const sys::Cloned child = sleeper(cgroup);
  cgroup.freeze(true);
  CHECK(read_file(cgroup.path() + "/cgroup.events").find("frozen 1") != std::string::npos);
  cgroup.freeze(false);
  CHECK(read_file(cgroup.path() + "/cgroup.events").find("frozen 0") != std::string::npos);
  cgroup.kill();
  CHECK((sys::wait_pidfd(child.pidfd.get()) | or_throw("wait")) == SIGKILL);
}

TEST_CASE("a stale cgroup is killed and removed with its children, but only under a container's name") {
  const std::string id = random_hex(64);
  const std::string path = survey().directory + "/" + cgroup_name(id);
  ContainerCgroup owner(path, {});
  const sys::Cloned child = sleeper(owner);
  make_directories(path + "/a/b");
  remove_stale(path, random_hex(64));
  remove_stale(survey().directory, id);
  CHECK(path_exists(path));
  // Reaped only afterwards, like a process that has lost its parent.
  remove_stale(path, id);
  CHECK_FALSE(path_exists(path));
  CHECK((sys::wait_pidfd(child.pidfd.get()) | or_throw("wait")) == SIGKILL);
  CHECK_NOTHROW(remove_stale(path, id));
}

TEST_CASE("without limits a container gets its cgroup, recorded before it exists") {
  const std::string id = random_hex(64);
  std::string recorded;
  const Established made = establish(id, {}, false, Own::welcome, [&](const std::string& path) {
    recorded = path;
    CHECK_FALSE(path_exists(path));
  });
  REQUIRE(made.cgroup);
  CHECK(made.cgroup->path() == recorded);
  CHECK(made.warnings.empty());
}

}  // namespace
}  // namespace sandbox::cgroup
