// Groups of the resctrl file system, whose place a directory takes here.
#include "sandbox/runtime/intel_rdt.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

RdtPlan plan_of(const char* text) {
  oci::Linux part;
  part.intel_rdt = Json::parse(text);
  return plan_intel_rdt(part).value();
}

std::string failure_of(const char* text) {
  try {
    plan_of(text);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "none";
}

/// A mounted resctrl with the group "class".
struct Resctrl {
  Resctrl() {
    std::filesystem::create_directories(path + "/class/mon_groups");
    std::ofstream(path + "/class/schemata") << "    MB:0=100;1= 10\n    L3:0=00fff;1=0000f\n";
    std::ofstream(path + "/class/tasks") << "";
  }
  ~Resctrl() { remove_tree(path); }
  void apply(const RdtPlan& plan) { apply_intel_rdt(plan, path, 77, record, [] {}); }

  std::string path = "/tmp/sbx-resctrl-" + random_hex(12);
  Record record{.id = "id"};
};

}  // namespace

TEST_CASE("nothing is planned where nothing is asked for") { CHECK_FALSE(plan_intel_rdt({}).has_value()); }

TEST_CASE("the container's own group, or one by name; schemata in the order of the specification") {
  const RdtPlan own = plan_of(R"({"memBwSchema":"MB:0=1","l3CacheSchema":"L3:0=f","schemata":["L2:0=1"],
      "enableMonitoring":true})");
  CHECK(own.group.empty());
  CHECK(own.monitored);
  CHECK(own.schemata == std::vector<std::string>{"L3:0=f", "MB:0=1", "L2:0=1"});
  const RdtPlan named = plan_of(R"({"closID":"/"})");
  CHECK(named.group == "/");
  CHECK_FALSE(named.monitored);
}

TEST_CASE("names and lines that would be others' files") {
  for (const char* name : {"", ".", "..", "a/b", "/a"}) {
    CHECK(failure_of(fmt::format(R"({{"closID":"{}"}})", name).c_str()) ==
          "config.json: linux.intelRdt.closID is not a name of a group");
  }
  CHECK(failure_of(R"({"schemata":["a\nb"]})") == "config.json: linux.intelRdt.schemata[0] has more than one line");
  CHECK(failure_of(R"({"memBwSchema":"L3:0=1"})") ==
        "config.json: linux.intelRdt.memBwSchema does not begin with \"MB:\"");
}

TEST_CASE("a group that exists takes the process when its schemata are the same, and stays") {
  Resctrl resctrl;
  resctrl.apply(plan_of(R"({"closID":"class","schemata":["L3:1=f;0=fff","MB:1=10"]})"));
  CHECK(read_file(resctrl.path + "/class/tasks") == "77\n");
  CHECK(resctrl.record.rdt_group.empty());
  CHECK_THROWS_AS(resctrl.apply(plan_of(R"({"closID":"class","schemata":["L3:0=ff"]})")), Conflict);
  CHECK_THROWS_AS(resctrl.apply(plan_of(R"({"closID":"other"})")), NotFound);
  std::vector<std::string> warnings;
  remove_intel_rdt(resctrl.record, warnings);
  CHECK(path_exists(resctrl.path + "/class/tasks"));
}

TEST_CASE("the container's own group is never another's, and goes with it") {
  Resctrl resctrl;
  std::filesystem::create_directory(resctrl.path + "/id");
  CHECK_THROWS_AS(resctrl.apply(plan_of("{}")), Conflict);
  CHECK(resctrl.record.rdt_group.empty());
  std::filesystem::remove(resctrl.path + "/id");
  CHECK_THROWS_AS(resctrl.apply(plan_of("{}")), SysError);  // a plain directory has no file "tasks"
  CHECK(resctrl.record.rdt_group == resctrl.path + "/id");
  std::vector<std::string> warnings;
  remove_intel_rdt(resctrl.record, warnings);
  CHECK_FALSE(path_exists(resctrl.path + "/id"));
  remove_intel_rdt(resctrl.record, warnings);
  CHECK(warnings.empty());
}
