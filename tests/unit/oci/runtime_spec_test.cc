#include "sandbox/oci/runtime_spec.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/oci/example_spec.h"

using namespace sandbox;
using namespace sandbox::oci;

namespace {

Json minimal() { return Json::parse(R"({"ociVersion":"1.0.0","root":{"path":"rootfs"}})"); }

std::string failure_of(const Json& document) {
  try {
    parse_runtime_spec(document, "config.json");
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("the starter configurations are read back, for root and for an ordinary user") {
  const RuntimeSpec root = parse_runtime_spec(parse_json(example_spec({}), "x"), "x");
  CHECK(root.process->args == std::vector<std::string>{"sh"});
  CHECK(root.process->terminal);
  CHECK(root.linux_part.uid_mappings.empty());
  CHECK(root.linux_part.resources.has_value());
  const RuntimeSpec user = parse_runtime_spec(parse_json(example_spec(RootlessIds{1000, 1001}), "x"), "x");
  CHECK(user.linux_part.uid_mappings.at(0).host_id == 1000);
  CHECK(user.linux_part.gid_mappings.at(0).host_id == 1001);
  CHECK_FALSE(user.linux_part.resources.has_value());
}

TEST_CASE("the least configuration is one") {
  const RuntimeSpec spec = parse_runtime_spec(minimal(), "config.json");
  CHECK(spec.root.path == "rootfs");
  CHECK_FALSE(spec.process.has_value());
}

TEST_CASE("members that are null are absent, and unknown ones are ignored") {
  Json document = minimal();
  document["process"] = nullptr;
  document["hooks"] = nullptr;
  document["windows"] = {{"whatever", 1}};
  document["mounts"] = nullptr;
  CHECK(failure_of(document) == "none");
}

TEST_CASE("versions: those of the specification, with pre-releases") {
  const auto version = [](const char* text) {
    Json document = minimal();
    document["ociVersion"] = text;
    return failure_of(document);
  };
  for (const char* good : {"1.0.0", "1.3.0", "1.0.2-dev", "1.1.0+dev", "0.2.0", "1.20.300-rc.1"})
    CHECK(version(good) == "none");
  for (const char* bad : {"", "1", "1.0", "1.0.", "1..0", "v1.0.0", "1.0.0x", ".1.0"}) {
    CAPTURE(bad);
    CHECK(version(bad) == "config.json: ociVersion is not a version like 1.3.0");
  }
  CHECK(version("2.0.0") == "config.json: ociVersion is 2.0.0, and 1 is understood");
}

TEST_CASE("an error names the place of what is wrong") {
  Json document = minimal();
  document["mounts"] = Json::parse(R"([{"destination":"/a"},{"destination":"/b","options":["ro",3]}])");
  CHECK(failure_of(document) == "config.json: mounts[1].options[1] is not a string");
  document = minimal();
  document["linux"]["uidMappings"] = Json::parse(R"([{"containerID":0,"hostID":-1,"size":1}])");
  CHECK(failure_of(document) == "config.json: linux.uidMappings[0].hostID is out of range");
  document = minimal();
  document["annotations"] = {{"a", 1}};
  CHECK(failure_of(document) == "config.json: annotations.a is not a string");
  CHECK(failure_of(Json::array()) == "config.json is not an object");
}

TEST_CASE("a relative mount destination is below the root") {
  Json document = minimal();
  document["mounts"] = Json::parse(R"([{"destination":"a/b"}])");
  CHECK(parse_runtime_spec(document, "x").mounts.at(0).destination == "/a/b");
}
