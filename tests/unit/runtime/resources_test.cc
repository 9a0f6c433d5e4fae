// Golden table: what linux.resources becomes in the files of cgroup v2.
#include "sandbox/runtime/resources.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

std::string written(const char* resources, const PresentLimits& present = {}) {
  std::string text;
  try {
    for (const cgroup::Setting& setting : plan_resources(Json::parse(resources), "config.json", present).settings) {
      text +=
          fmt::format("{}{}={}{}", text.empty() ? "" : "; ", setting.file, setting.value, setting.optional ? "?" : "");
    }
  } catch (const Error& error) {
    return error.what();
  }
  return text;
}

struct Row {
  const char *resources, *expected;
};

void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.resources);
    CHECK(written(row.resources) == row.expected);
  }
}

}  // namespace

TEST_CASE("memory: the limit of memory and swap together is split, what engines write for nothing is nothing") {
  check(
      {{R"({"memory":{"limit":67108864}})", "memory.max=67108864"},
       {R"({"memory":{"limit":67108864,"swap":67108864}})", "memory.max=67108864; memory.swap.max=0?"},
       {R"({"memory":{"limit":100,"swap":150,"reservation":50}})", "memory.max=100; memory.swap.max=50; memory.low=50"},
       {R"({"memory":{"limit":100,"swap":-1}})", "memory.max=100; memory.swap.max=max?"},
       {R"({"memory":{"limit":-1}})", "memory.max=max; memory.swap.max=max?"},
       {R"({"memory":{"limit":0,"swap":0,"reservation":0,"kernel":0,"kernelTCP":-1,"swappiness":null}})", ""},
       {R"({"memory":{"reservation":-1,"useHierarchy":true,"disableOOMKiller":false}})", "memory.low=max"},
       {R"({"memory":{"swap":150}})", "config.json: linux.resources.memory.swap needs a 'limit' beside it"},
       {R"({"memory":{"limit":100,"swap":50}})",
        "config.json: linux.resources.memory.swap is below 'limit', and counts memory and swap together"}});
  CHECK(written(R"({"memory":{"swap":150}})", {.memory = 100}) == "memory.swap.max=50");
  CHECK(plan_resources(Json::parse(R"({"memory":{"limit":1,"checkBeforeUpdate":true}})"), "x").check_memory);
}

TEST_CASE("cpu: shares become a weight, quota and period one line") {
  check({{R"({"cpu":{"shares":1024}})", "cpu.weight=100"},
         {R"({"cpu":{"shares":2}})", "cpu.weight=1"},
         {R"({"cpu":{"shares":262144}})", "cpu.weight=10000"},
         {R"({"cpu":{"quota":50000}})", "cpu.max=50000"},
         {R"({"cpu":{"quota":-1,"period":20000}})", "cpu.max=max 20000"},
         {R"({"cpu":{"quota":10000,"period":20000,"burst":500}})", "cpu.max=10000 20000; cpu.max.burst=500"},
         {R"({"cpu":{"period":20000}})", "cpu.max=max 20000"},
         {R"({"cpu":{"idle":1,"cpus":"0-1","mems":"0"}})", "cpu.idle=1; cpuset.cpus=0-1; cpuset.mems=0"},
         {R"({"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","realtimePeriod":0}})", ""}});
  CHECK(written(R"({"cpu":{"period":20000}})", {.cpu_quota = "7000"}) == "cpu.max=7000 20000");
}

TEST_CASE("pids: 0 and -1 are no limit") {
  check({{R"({"pids":{"limit":20}})", "pids.max=20"},
         {R"({"pids":{"limit":-1}})", "pids.max=max"},
         {R"({"pids":{"limit":0}})", "pids.max=max"},
         {R"({"pids":{}})", ""},
         {R"({"pids":{"limit":"20"}})", "config.json: linux.resources.pids.limit is not an integer"}});
}

TEST_CASE("block devices: weights of two ranges, and four throttles") {
  check({{R"({"blockIO":{"weight":10}})", "io.weight=default 1"},
         {R"({"blockIO":{"weight":1000}})", "io.weight=default 10000"},
         {R"({"blockIO":{"weight":0}})", ""},
         {R"({"blockIO":{"weight":5}})", "config.json: linux.resources.blockIO.weight is not within 10 and 1000"},
         {R"({"blockIO":{"weightDevice":[{"major":8,"minor":16,"weight":505}]}})", "io.weight=8:16 5000"},
         {R"({"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1000}],
              "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0}]}})",
          "io.max=8:0 rbps=1000; io.max=8:0 wiops=max"},
         {R"({"blockIO":{"throttleWriteBpsDevice":[{"major":8,"rate":1000}]}})",
          "config.json: linux.resources.blockIO.throttleWriteBpsDevice[0] has no 'minor'"}});
  const auto settings = plan_resources(Json::parse(R"({"blockIO":{"weight":100}})"), "x").settings;
  REQUIRE(settings.size() == 1);
  CHECK(settings[0].other_file == "io.bfq.weight");
  CHECK(settings[0].other_value == "default 100");
}

TEST_CASE("huge pages and RDMA devices by name, which must not lead to another file or line") {
  check(
      {{R"({"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]})",
        "hugetlb.2MB.max=4194304; hugetlb.2MB.rsvd.max=4194304?"},
       {R"({"hugepageLimits":[{"pageSize":"../2MB","limit":1}]})",
        "config.json: linux.resources.hugepageLimits[0].pageSize is not a size like 2MB"},
       {R"({"hugepageLimits":[{"pageSize":"MB","limit":1}]})",
        "config.json: linux.resources.hugepageLimits[0].pageSize is not a size like 2MB"},
       {R"({"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000}}})", "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"},
       {R"({"rdma":{"a b":{}}})", "config.json: linux.resources.rdma.a b does not belong to the name of a device"}});
}

TEST_CASE("unified: any file of a controller, a line at a time, after all others") {
  check({{R"({"unified":{"memory.high":"1000"},"memory":{"limit":2000}})", "memory.max=2000; memory.high=1000"},
         {R"({"unified":{"io.max":"8:0 rbps=1\n\n8:16 rbps=2\n"}})", "io.max=8:0 rbps=1; io.max=8:16 rbps=2"},
         {R"({"unified":{"cgroup.max.depth":"3"}})", "cgroup.max.depth=3"},
         {R"({"unified":{"memory.high":7}})", "config.json: linux.resources.unified.memory.high is not a string"}});
  for (const char* name : {"../memory.max", "a/memory.max", "..", "cgroup.procs", "cgroup.freeze",
                           "cgroup.subtree_control", "cgroup.kill", ".max", "memory", "memory max.x", ""}) {
    CAPTURE(name);
    const std::string text = written(Json{{"unified", {{name, "1"}}}}.dump().c_str());
    CHECK(text ==
          fmt::format("config.json: linux.resources.unified.{} is not for a file of a cgroup controller", name));
  }
}

TEST_CASE("what only cgroup v1 has is refused by name") {
  const auto refused = [](const char* member) {
    return fmt::format("linux.resources.{} can't be applied: cgroup v2 has nothing like it", member);
  };
  CHECK(written(R"({"memory":{"kernel":1000}})") == refused("memory.kernel"));
  CHECK(written(R"({"memory":{"kernelTCP":1000}})") == refused("memory.kernelTCP"));
  CHECK(written(R"({"memory":{"swappiness":0}})") == refused("memory.swappiness"));
  CHECK(written(R"({"memory":{"disableOOMKiller":true}})") == refused("memory.disableOOMKiller"));
  CHECK(written(R"({"memory":{"useHierarchy":false}})") == refused("memory.useHierarchy"));
  CHECK(written(R"({"cpu":{"realtimeRuntime":1000}})") == refused("cpu.realtimeRuntime"));
  CHECK(written(R"({"blockIO":{"leafWeight":10}})") == refused("blockIO.leafWeight"));
  CHECK(written(R"({"network":{"classID":7}})") == refused("network.classID"));
  CHECK(written(R"({"network":{"priorities":[{"name":"eth0","priority":1}]}})") == refused("network.priorities"));
  CHECK(written(R"({"network":{"classID":0,"priorities":[]}})").empty());
}

TEST_CASE("what holds in a new cgroup anyway needs no cgroup") {
  const auto left = [](const char* resources) {
    return for_new_cgroup(plan_resources(Json::parse(resources), "x").settings).size();
  };
  CHECK(left(R"({"memory":{"limit":-1,"swap":-1},"pids":{"limit":-1},"cpu":{"quota":-1}})") == 0);
  CHECK(left(R"({"cpu":{"quota":-1,"period":100000}})") == 0);
  CHECK(left(R"({"cpu":{"quota":-1,"period":50000},"pids":{"limit":3}})") == 2);
  CHECK(left(R"({"cpu":{"shares":1024}})") == 0);
  CHECK(left(R"({"cpu":{"shares":512}})") == 1);
  CHECK(left(R"({"cpu":{"shares":512},"unified":{"cpu.weight":"100"}})") == 2);
}
