// config.json of the OCI runtime, and the plan that is made of it for an ordinary user and for root below an engine.
#include <algorithm>

#include "profiles/capabilities.h"
#include "sandbox/base/json_fields.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/seccomp.h"
#include "target.h"
#include "userns/plan_fields.h"

using namespace sandbox;

namespace {

void check_place(const std::string& path) {
  fuzz::require(path.size() > 1 && path.starts_with('/'), "a place in the container is absolute, and not its root");
  fuzz::require((path + "/").find("/../") == std::string::npos, "a place in the container does not climb");
}

bool is_mapped(const std::vector<userns::IdMapping>& map, std::uint32_t id) {
  return std::ranges::any_of(map, [&](const auto& line) { return id >= line.inside && id - line.inside < line.count; });
}

void check_plan(const userns::LaunchPlan& launch) {
  for (const userns::MountOp& op : launch.mounts) check_place(op.target);
  for (const userns::DevicePlan& device : launch.devices) check_place(device.path);
  for (const userns::Sysctl& sysctl : launch.sysctls) {
    fuzz::require(sysctl.name.find("..") == std::string::npos, "a kernel parameter's name does not climb");
  }
  const userns::ProcessPlan& process = launch.process;
  fuzz::require(!process.argv.empty(), "there is a program");
  fuzz::require(process.capability_sets.has_value(), "the sets of capabilities are decided");
  const userns::CapabilitySets sets = process.capability_sets.value_or(userns::CapabilitySets{});
  fuzz::require((sets.effective & ~sets.permitted) == 0, "effective capabilities are permitted");
  fuzz::require((sets.ambient & ~(sets.permitted & sets.inheritable)) == 0,
                "ambient ones are permitted and inheritable");
  if (!launch.namespaces.user) return;
  fuzz::require(is_mapped(launch.identity.uid_map, process.uid), "the process's user is mapped");
  fuzz::require(is_mapped(launch.identity.gid_map, process.gid), "the process's group is mapped");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::attempt([&] {
    const oci::RuntimeSpec spec =
        oci::parse_runtime_spec(parse_json(fuzz::as_text(data, size), "config.json"), "config.json");
    const runtime::Caller user{.uid = 1000, .gid = 1000, .gid_map = {{0, 0, UINT32_MAX}}};
    const runtime::Caller root{.capabilities = profiles::all_capabilities(),
                               .gid_map = {{0, 1000, 1}, {1, 100000, 65536}}};
    for (const runtime::Caller& caller : {user, root}) {
      fuzz::attempt([&] {
        runtime::Plan plan = runtime::plan_container(spec, "/bundle", caller, {});
        check_plan(plan.launch);
        static_cast<void>(JsonWriter::encode(plan.launch));
        runtime::apply_seccomp(spec, plan.launch.process);
      });
    }
  });
  return 0;
}
