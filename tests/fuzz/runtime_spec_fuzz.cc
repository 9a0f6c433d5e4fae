// config.json of the OCI runtime, and the whole plan that is made of it: for an ordinary user, for root below an engine
// and for the machine's root.
#include <algorithm>

#include "profiles/capabilities.h"
#include "sandbox/base/json.h"
#include "sandbox/runtime/exec_basis.h"
#include "sandbox/runtime/plan_document.h"
#include "sandbox/runtime/seccomp.h"
#include "target.h"

using namespace sandbox;

namespace {

constexpr std::size_t instruction_size = 8, most_instructions = 4096;  // BPF_MAXINSNS

bool climbs(const std::string& path) { return ("/" + path + "/").find("/../") != std::string::npos; }

void check_place(const std::string& path) {
  fuzz::require(path.size() > 1 && path.starts_with('/'), "a place in the container is absolute, and not its root");
  fuzz::require(!climbs(path), "a place in the container does not climb");
}

bool is_mapped(const std::vector<userns::IdMapping>& map, std::uint32_t id) {
  return std::ranges::any_of(map, [&](const auto& line) { return id >= line.inside && id - line.inside < line.count; });
}

void check_process(const userns::ProcessPlan& process, const userns::LaunchPlan& launch) {
  fuzz::require(!process.argv.empty(), "there is a program");
  fuzz::require(process.capability_sets.has_value(), "the sets of capabilities are decided");
  const userns::CapabilitySets sets = process.capability_sets.value_or(userns::CapabilitySets{});
  fuzz::require((sets.effective & ~sets.permitted) == 0, "effective capabilities are permitted");
  fuzz::require((sets.ambient & ~(sets.permitted & sets.inheritable)) == 0,
                "ambient ones are permitted and inheritable");
  fuzz::require(
      process.seccomp.size() % instruction_size == 0 && process.seccomp.size() / instruction_size <= most_instructions,
      "the kernel takes a filter of this size");
  if (!launch.namespaces.user) return;
  fuzz::require(is_mapped(launch.identity.uid_map, process.uid), "the process's user is mapped");
  fuzz::require(is_mapped(launch.identity.gid_map, process.gid), "the process's group is mapped");
}

void check_plan(const userns::LaunchPlan& launch) {
  for (const userns::MountOp& op : launch.mounts) check_place(op.target);
  for (const userns::DevicePlan& device : launch.devices) check_place(device.path);
  for (const userns::Sysctl& sysctl : launch.sysctls) {
    fuzz::require(sysctl.name.find("..") == std::string::npos, "a kernel parameter's name does not climb");
  }
  check_process(launch.process, launch);
}

void check_cgroup(const runtime::CgroupPlan& plan) {
  fuzz::require(plan.directory.empty() || plan.directory.starts_with("/sys/fs/cgroup/"), "a cgroup is a cgroup");
  fuzz::require(!climbs(plan.directory), "a cgroup's path does not climb");
  if (plan.scope) {
    fuzz::require(plan.scope->unit.find('/') == std::string::npos && plan.scope->unit.ends_with(".scope"),
                  "a scope's name is one");
  }
  for (const cgroup::Setting& setting : plan.settings) {
    fuzz::require(!setting.file.empty() && setting.file.find('/') == std::string::npos, "a limit is in the cgroup");
  }
}

cgroup::Surroundings surroundings() {
  cgroup::Surroundings found;
  found.layout = cgroup::Layout::unified;
  found.mount = {"/", "/sys/fs/cgroup"};
  found.directory = "/sys/fs/cgroup/callers";
  found.writable = true;
  found.uid = 1000;
  found.manager_bus = "/run/user/1000/bus";
  return found;
}

void plan_for(const runtime::Caller& caller, const oci::RuntimeSpec& spec) {
  runtime::Plan plan = runtime::plan_container(spec, "/bundle", caller, {});
  runtime::apply_seccomp(spec, plan.launch.process);
  check_plan(plan.launch);
  std::vector<std::string> warnings;
  const runtime::PlanOptions of_exec{.preserved_fds = 2, .listen_fds = true};
  check_process(runtime::plan_process(*spec.process, plan.launch, caller, of_exec, warnings), plan.launch);
  for (const auto manager : {runtime::CgroupManager::cgroupfs, runtime::CgroupManager::systemd}) {
    fuzz::attempt([&] {
      const runtime::CgroupPlan cgroup = runtime::plan_cgroup(spec.linux_part, "box", manager, surroundings(), plan.cgroup);
      check_cgroup(cgroup);
      static_cast<void>(runtime::plan_document(plan, cgroup, spec.hooks).dump());
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::attempt([&] {
    const Json document = parse_json(fuzz::as_text(data, size), "config.json");
    const Json for_exec = runtime::part_for_exec(document);
    const oci::RuntimeSpec spec = oci::parse_runtime_spec(document, "config.json");
    bool valid = false;
    fuzz::attempt([&] { valid = oci::parse_runtime_spec(for_exec, "exec.json").version == spec.version; });
    fuzz::require(valid, "a part of what is valid is valid");
    const runtime::Caller user{.uid = 1000, .gid = 1000, .gid_map = {{0, 0, UINT32_MAX}}};
    const runtime::Caller root{.capabilities = profiles::all_capabilities(),
                               .gid_map = {{0, 1000, 1}, {1, 100000, 65536}}};
    runtime::Caller host = root;
    host.initial_namespace = true;
    for (const runtime::Caller& caller : {user, root, host}) {
      fuzz::attempt([&] { plan_for(caller, spec); });
    }
  });
  return 0;
}
