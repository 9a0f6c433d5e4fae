// Configurations that attack the runtime before the kernel is asked for anything: sizes, numbers, names and paths. What
// they ask for is refused in words, or planned within a time that nobody would notice.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/runtime/plan_document.h"
#include "sandbox/runtime/seccomp.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

constexpr double patience = 10;  // seconds of processor time; what takes squared time takes minutes

Json least() {
  return Json::parse(R"({"ociVersion":"1.3.0","root":{"path":"tree"},"process":{"args":["sh"],"cwd":"/"},
    "linux":{"namespaces":[{"type":"mount"},{"type":"pid"}]}})");
}

Json plan_of(const Json& config) {
  const oci::RuntimeSpec spec = oci::parse_runtime_spec(parse_json(config.dump(), "config.json"), "config.json");
  const Caller user{.uid = 1000, .gid = 1000, .gid_map = {{0, 0, UINT32_MAX}}};
  Plan plan = plan_container(spec, "/bundle", user, {});
  apply_seccomp(spec, plan.launch.process);
  const CgroupPlan cgroup = plan_cgroup(spec.linux_part, "box", CgroupManager::cgroupfs, {}, plan.cgroup);
  return plan_document(plan, cgroup, spec.hooks);
}

std::string outcome(const Json& config) {
  try {
    plan_of(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "planned";
}

/// The outcome for `value` at `pointer`, within `patience`.
std::string outcome_of(const char* pointer, Json value) {
  Json config = least();
  config[Json::json_pointer(pointer)] = std::move(value);
  const std::clock_t begin = std::clock();
  std::string words = outcome(config);
  CHECK(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC < patience);
  return words;
}

Json list_of(int count, const std::function<Json(int)>& item) {
  Json list = Json::array();
  for (int i = 0; i < count; ++i) list.push_back(item(i));
  return list;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("much of everything is planned in time that grows with it") {
  CHECK(outcome_of("/mounts", list_of(10'000, [](int i) {
                     return Json{{"destination", fmt::format("/m/{}", i)}, {"type", "tmpfs"}};
                   })) == "planned");
  CHECK(outcome_of("/process/env", list_of(50'000, [](int i) { return fmt::format("V{}=x", i); })) == "planned");
  CHECK(outcome_of("/process/args", list_of(50'000, [](int) { return "word"; })) == "planned");
  CHECK(outcome_of("/process/capabilities/bounding", list_of(50'000, [](int i) { return fmt::format("CAP_{}", i); })) ==
        "planned");
  CHECK(outcome_of("/linux/maskedPaths", list_of(20'000, [](int i) { return fmt::format("/{}", i); })) == "planned");
  CHECK(outcome_of("/linux/devices", list_of(50'000, [](int i) {
                     return Json{{"type", "c"}, {"path", fmt::format("/dev/{}", i)}, {"major", 1}, {"minor", 3}};
                   })) == "planned");
  CHECK(outcome_of("/annotations", [] {
          Json words = Json::object();
          for (int i = 0; i < 20'000; ++i) words[fmt::format("name{}", i)] = "value";
          return words;
        }()) == "planned");
  CHECK(outcome_of("/linux/sysctl", [] {
          Json words = Json::object();
          for (int i = 0; i < 20'000; ++i) words[fmt::format("kernel.x{}", i)] = "1";
          return words;
        }()) == "sysctl \"kernel.x0\" is not in a separate kernel namespace");
}

TEST_CASE("maps of ids are as long as the kernel takes them") {
  Json config = least();
  const auto line = [](int i) { return Json{{"containerID", i}, {"hostID", 1000 + i}, {"size", 1}}; };
  for (const int count : {340, 341, 100'000}) {
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = list_of(count, line);
    CHECK(outcome(config) == (count == 340 ? "planned" : "a map of ids has more than 340 lines"));
  }
}

TEST_CASE("numbers that are none, or none of their kind, are refused by their place") {
  const char* places[] = {"/process/user/uid", "/process/user/gid", "/process/user/umask", "/process/oomScoreAdj"};
  for (const char* pointer : places) {
    CAPTURE(pointer);
    for (const char* number : {"-9223372036854775808", "9223372036854775808", "18446744073709551616", "4294967296",
                               "1.5", "1e300", "\"1\"", "[1]", "true", "{}"}) {
      CAPTURE(number);
      const std::string words = outcome_of(pointer, Json::parse(number));
      CHECK((contains(words, "is out of range") || contains(words, "is not an integer")));
      std::string place = std::string(pointer).substr(1);
      std::ranges::replace(place, '/', '.');
      CHECK(contains(words, "config.json: " + place + " "));
    }
  }
  CHECK(contains(outcome_of("/process/rlimits", Json::parse(R"([{"type":"RLIMIT_CPU","soft":-1,"hard":1}])")),
                 "out of range"));
  CHECK(contains(outcome_of("/linux/uidMappings", Json::parse(R"([{"containerID":-1,"hostID":0,"size":1}])")),
                 "out of range"));
  CHECK(contains(outcome_of("/linux/resources/memory/limit", Json::parse("9223372036854775808")), "out of range"));
}

TEST_CASE("ids at the end of the range are outside maps that do not reach them") {
  CHECK(contains(outcome_of("/process/user/uid", UINT32_MAX), "is not mapped"));
  Json config = least();
  config["linux"]["uidMappings"] = Json::parse(R"([{"containerID":4294967295,"hostID":1000,"size":4294967295}])");
  config["linux"]["gidMappings"] = config["linux"]["uidMappings"];
  CHECK(contains(outcome(config), "user 0 of the process is not mapped"));
}

TEST_CASE("places in the container never climb above its root, however they are written") {
  for (const char* place : {"/../../etc", "../../etc", "/a/../../../etc", "//..//etc", "/./../etc/.", "etc/"}) {
    Json config = least();
    config["mounts"] = {{{"destination", place}, {"type", "tmpfs"}}};
    CHECK(plan_of(config)["mounts"][0]["target"] == "/etc");
  }
  for (const char* place : {"/", "//", "/.", "/..", "..", ".", "/a/.."}) {
    CHECK(contains(outcome_of("/mounts", {{{"destination", place}, {"type", "tmpfs"}}}), "is the root itself"));
  }
  CHECK(contains(outcome_of("/mounts", {{{"destination", std::string("/a\0b", 4)}, {"type", "tmpfs"}}}), "NUL byte"));
}

TEST_CASE("nothing but procfs comes to /proc") {
  for (const char* place : {"/proc", "//proc/", "/x/../proc", "proc"}) {
    for (const char* type : {"tmpfs", "sysfs", "ext4", "overlay", "mqueue", "cgroup"}) {
      CHECK(contains(outcome_of("/mounts", {{{"destination", place}, {"type", type}, {"source", "x"}}}), "not proc"));
    }
  }
}

TEST_CASE("annotations change nothing, whoever may know them") {
  const Json plain = plan_of(least());
  Json config = least();
  for (const char* name :
       {"run.oci.keep_original_groups", "run.oci.seccomp_fail_unknown_syscall", "run.oci.mount_context_type",
        "run.oci.handler", "run.oci.seccomp.receiver", "run.oci.systemd.force_cgroup_v1",
        "io.podman.annotations.userns", "io.kubernetes.cri-o.Devices", "cdi.k8s.io/gpu", "org.criu.config",
        "org.systemd.property.ExecStartPre", "com.docker.security", "module.wasm.image/variant", "\x1b[31m", "",
        "../x"}) {
    config["annotations"][name] = "1";
  }
  CHECK(plan_of(config) == plain);
}

TEST_CASE("a member that is named twice has no meaning that all would agree on") {
  for (const char* text :
       {R"({"a":1,"a":2})", R"({"x":[{"a":{},"b":1,"a":{}}]})", R"({"a":1,"\u0061":1})", R"({"a":{"b":1},"a":null})"}) {
    CHECK_THROWS_WITH_AS(parse_json(text, "config.json"), "config.json: an object has two members 'a'", InvalidInput);
  }
  CHECK(parse_json(R"({"a":{"a":{"a":[{"a":1},{"a":2}]}},"b":{"a":1}})", "config.json").size() == 2);
}
