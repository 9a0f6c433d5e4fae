// Configurations as engines and the specification write them, and the plans that come out: golden/<name>.json gives
// golden/<name>.plan. To accept a change: SANDBOX_ACCEPT=1 test_runtime, and look at the difference.
//
// The first word of a name says who asks: "user" without a range of ids, "root" of a user namespace as below rootless
// engines, "host" the machine's own root. The second says whose configuration it is; those of engines were captured by
// a runtime that keeps what it is given, with ids and paths of that machine replaced.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json_fields.h"
#include "sandbox/runtime/exec_basis.h"
#include "sandbox/runtime/plan_attributes.h"
#include "sandbox/runtime/plan_document.h"
#include "sandbox/runtime/seccomp.h"
#include "userns/plan_fields.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

Caller caller_for(const std::string& name) {
  if (name.starts_with("user-")) return {.uid = 1000, .gid = 1000, .gid_map = {{0, 0, UINT32_MAX}}};
  Caller root{.capabilities = profiles::all_capabilities(), .gid_map = {{0, 1000, 1}, {1, 100000, 65536}}};
  if (name.starts_with("root-")) return root;
  root.initial_namespace = true;
  root.gid_map = {{0, 0, UINT32_MAX}};
  return root;
}

cgroup::Surroundings surroundings_for(const std::string& name) {
  cgroup::Surroundings surroundings;
  surroundings.layout = cgroup::Layout::unified;
  surroundings.mount = {"/", "/sys/fs/cgroup"};
  surroundings.directory = "/sys/fs/cgroup/callers";
  surroundings.writable = true;
  surroundings.uid = name.starts_with("host-") ? 0 : 1000;
  surroundings.manager_bus = "/run/user/1000/bus";
  return surroundings;
}

/// Engines say it on the command line; in the form of cgroupsPath it shows, too.
CgroupManager manager_for(const oci::Linux& part) {
  return std::ranges::count(part.cgroups_path, ':') == 2 ? CgroupManager::systemd : CgroupManager::cgroupfs;
}

Json document_of(const std::string& name, const std::string& text) try {
  const auto spec = oci::parse_runtime_spec(parse_json(text, name), name);
  Plan plan = plan_container(spec, "/bundle", caller_for(name), {});
  const CgroupPlan cgroup =
      plan_cgroup(spec.linux_part, "box", manager_for(spec.linux_part), surroundings_for(name), plan.cgroup);
  apply_seccomp(spec, plan.launch.process);
  Json document = plan_document(plan, cgroup, spec.hooks);
  Json& filter = document["process"]["seccomp"];
  if (!filter.is_null()) filter = "compiled";  // what it is depends on the architecture and libseccomp
  return document;
} catch (const Error& error) {
  return {{"refused", error.what()}};
}

/// The container's process as `exec` would start it; null where the configuration is refused.
Json joining(const std::string& name, const std::string& text, bool part) try {
  const Json config = parse_json(text, name);
  const auto spec = oci::parse_runtime_spec(part ? part_for_exec(config) : config, name);
  const Caller caller = caller_for(name);
  std::vector<std::string> warnings;
  userns::ProcessPlan process =
      plan_process(spec.process.value(), plan_namespaces_and_ids(spec, caller), caller, {}, warnings);
  process.attributes = plan_attributes(*spec.process, spec.linux_part);
  process.seccomp_flags = seccomp_flags(spec.linux_part);
  return {{"process", JsonWriter::encode(process)}, {"asks", has_listener(spec.linux_part)}, {"warnings", warnings}};
} catch (const Error&) {
  return nullptr;
}

std::string accepted_text(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? read_file(path) : "";
}

}  // namespace

TEST_CASE("the plans of engines' configurations are as accepted") {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_DIRECTORY)) {
    if (entry.path().extension() != ".json") continue;
    ++seen;
    const std::string name = entry.path().stem();
    CAPTURE(name);
    const std::string text = document_of(name, read_file(entry.path())).dump(1) + "\n";
    const std::string accepted = entry.path().parent_path() / (name + ".plan");
    if (std::getenv("SANDBOX_ACCEPT") != nullptr) write_file_atomic(accepted, text, false, 0644);
    CHECK(accepted_text(accepted) == text);
  }
  CHECK(seen > 30);
}

TEST_CASE("what is kept of a configuration for exec says the same of a process as the whole") {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_DIRECTORY)) {
    if (entry.path().extension() != ".json") continue;
    const std::string name = entry.path().stem();
    CAPTURE(name);
    const std::string text = read_file(entry.path());
    const Json whole = joining(name, text, false);
    if (whole.is_null()) continue;
    ++seen;
    CHECK(joining(name, text, true) == whole);
  }
  CHECK(seen > 25);
}

TEST_CASE("what is kept for exec is small, and of what is no configuration nothing") {
  const Json config = Json::parse(R"({"ociVersion":"1.3.0","mounts":[],"hooks":{},"linux":{"resources":{},"seccomp":{
      "defaultAction":"SCMP_ACT_ERRNO","architectures":[],"listenerPath":"/a","syscalls":[
      {"names":["read"],"action":"SCMP_ACT_ALLOW"},{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}}})");
  CHECK(part_for_exec(config) == Json::parse(R"({"ociVersion":"1.3.0","linux":{"seccomp":{
      "defaultAction":"SCMP_ACT_ERRNO","listenerPath":"/a","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}}})"));
  for (const char* text : {"null", "[]", "1", R"({"linux":1})", R"({"linux":{"seccomp":[]}})",
                           R"({"linux":{"seccomp":{"syscalls":{"action":1}}}})", R"({"linux":{"seccomp":{"syscalls":[1]}}})"}) {
    CHECK_NOTHROW(part_for_exec(Json::parse(text)));
  }
}
