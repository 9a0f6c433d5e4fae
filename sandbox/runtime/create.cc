#include "sandbox/runtime/create.h"

#include <errno.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>

#include "netstack/device.h"
#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/cgroup/survey.h"
#include "sandbox/runtime/caller.h"
#include "sandbox/runtime/cgroup.h"
#include "sandbox/runtime/exec_basis.h"
#include "sandbox/runtime/hooks.h"
#include "sandbox/runtime/intel_rdt.h"
#include "sandbox/runtime/launching.h"
#include "sandbox/runtime/lifecycle.h"
#include "sandbox/runtime/seccomp.h"
#include "sandbox/runtime/seccomp_agent.h"
#include "sandbox/runtime/stdio.h"

namespace sandbox::runtime {
namespace {

std::string real_directory(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.empty() ? "." : path.c_str(), nullptr), &::free);
  if (!real) throw SysError(Errno{errno}, fmt::format("bundle '{}'", path));
  return real.get();
}

std::string read_config(const std::string& bundle, const std::string& name) {
  const std::string path = name.starts_with('/') ? name : bundle + "/" + name;
  if (!path_exists(path)) throw NotFound(fmt::format("JSON specification file {} not found", name));
  return read_file(path);
}

void move_devices(const std::vector<NetworkDevice>& devices, pid_t pid) {
  const std::string path = fmt::format("/proc/{}/ns/net", pid);
  const Fd space = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  for (const NetworkDevice& device : devices) netstack::move_device(device.host_name, space.get(), device.name);
}

/// What a container without a cgroup of its own sees there is the caller's, which it must not change (CVE-2023-25809).
void close_cgroups(std::vector<userns::MountOp>& mounts) {
  for (userns::MountOp& op : mounts) {
    if (op.kind != userns::MountKind::cgroup2) continue;
    op.own.set |= MOUNT_ATTR_RDONLY;
    op.own.clear &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
  }
}

/// The process of a container sees its own number, the runtime the host's (runtime-spec runtime.md, "State").
userns::LaunchHooks launch_hooks(const oci::Hooks& hooks, const std::vector<NetworkDevice>& devices,
                                 const Record& record) {
  userns::LaunchHooks steps;
  steps.bring_up_loopback = [] { netstack::bring_up_loopback(); };
  if (!devices.empty()) steps.in_parent = [&devices](pid_t pid) { move_devices(devices, pid); };
  if (!hooks.prestart.empty() || !hooks.create_runtime.empty()) {
    steps.before_root = [&hooks, &record](pid_t pid) {
      const std::string state = hook_state(record, Status::creating, pid);
      run_hooks(hooks.prestart, "prestart", state);
      run_hooks(hooks.create_runtime, "createRuntime", state);
    };
  }
  if (!hooks.create_container.empty()) {
    steps.in_namespaces = [&hooks, &record] {
      run_hooks(hooks.create_container, "createContainer", hook_state(record, Status::creating, ::getpid()));
    };
  }
  if (!hooks.start_container.empty()) {
    steps.before_program = [&hooks, &record](const userns::Become& become) {
      run_hooks(hooks.start_container, "startContainer", hook_state(record, Status::created, ::getpid()), become);
    };
  }
  return steps;
}

/// Whether `start` or `delete` need the configuration again.
bool has_later_steps(const oci::RuntimeSpec& spec) {
  return !spec.hooks.poststart.empty() || !spec.hooks.poststop.empty() || has_listener(spec.linux_part);
}

}  // namespace

Loaded load_bundle(const CreateRequest& request) {
  Loaded loaded;
  loaded.bundle = real_directory(request.bundle);
  const std::string name = request.config.empty() ? "config.json" : request.config;
  loaded.text = read_config(loaded.bundle, name);
  Json document = parse_json(loaded.text, name);
  loaded.exec_part = part_for_exec(document);
  loaded.spec = oci::parse_runtime_spec(std::move(document), name);
  const unsigned listening = listen_fds();
  loaded.passed = inherited_descriptors(request.preserve_fds + listening);
  const PlanOptions options{request.no_new_keyring, request.no_pivot, listening, listening > 0,
                            keeps_groups(loaded.spec.annotations)};
  loaded.plan = plan_container(loaded.spec, loaded.bundle, survey_caller(loaded.spec.linux_part), options);
  loaded.cgroup =
      plan_cgroup(loaded.spec.linux_part, request.id, request.cgroup_manager, cgroup::survey(), loaded.plan.cgroup);
  if (loaded.plan.rdt) loaded.resctrl = find_resctrl();
  return loaded;
}

Creation::Creation(const Store& store, const CreateRequest& request, const Loaded& loaded)
    : store_(store), hooks_(loaded.spec.hooks), linux_(loaded.spec.linux_part) {
  check_terminal(request.detach, loaded.plan.launch.process.terminal, request.console_socket);
  store_.create(request.id);
  record_.id = request.id;
  try {
    make(request, loaded);
  } catch (...) {
    undo();
    throw;
  }
}

Creation::~Creation() {
  if (!kept_) undo();
}

/// Why it came to this is what the caller is told, not what else fails now: `delete --force` finishes it.
void Creation::undo() noexcept {
  launched_.reset();  // kills what has not started
  try {
    std::vector<std::string> warnings;
    remove_cgroup(record_, warnings);
    remove_intel_rdt(record_, warnings);
    store_.remove(record_.id);
    if (!begun_) return;
    run_poststop(hooks_, record_, warnings);
  } catch (const std::exception&) {
  }
}

void Creation::make(const CreateRequest& request, const Loaded& loaded) {
  const oci::RuntimeSpec& spec = loaded.spec;
  record_ = {.id = request.id,
             .oci_version = spec.version,
             .bundle = loaded.bundle,
             .rootfs = loaded.plan.launch.root.directory,
             .created = timestamp(),
             .creator = ::getpid(),
             .creator_start = process_start_time(::getpid()),
             .annotations = spec.annotations,
             .has_later_steps = has_later_steps(spec)};
  // The record makes it a container, so the configuration that it is removed by stands before it.
  write_file_atomic(store_.config(request.id), loaded.text, false);
  store_.write(record_);
  gate_ = make_gate(store_, request.id);
  CgroupMaking cgroup(loaded.cgroup, record_, [&] { store_.write(record_); });

  userns::LaunchPlan plan = loaded.plan.launch;
  if (cgroup.guards_devices()) plan.root.no_dev = false;
  if (!cgroup.is_own()) close_cgroups(plan.mounts);
  apply_seccomp(spec, plan.process, store_.filters());
  keep_exec_basis(store_, request.id, loaded.exec_part, plan.process.seccomp);
  const userns::StdioFds stdio{0, 1, 2, loaded.passed, gate_.get()};
  userns::LaunchHooks steps = launch_hooks(spec.hooks, loaded.plan.network_devices, record_);
  steps.at_cgroup_namespace = cgroup.at_namespace();
  begun_ = true;
  launching([&] { launched_.emplace(userns::Launched::begin(plan, stdio, steps, cgroup.entry())); });
  cgroup.finish(launched_->pid());
  if (loaded.plan.rdt) {
    apply_intel_rdt(*loaded.plan.rdt, loaded.resctrl, launched_->pid(), record_, [&] { store_.write(record_); });
  }
  if (!request.console_socket.empty()) send_console(request.console_socket, launched_->take_console());
  keep_line_ends(launched_->console());
  record_.pid = launched_->pid();
  record_.pid_start = process_start_time(record_.pid);
  store_.write(record_);
  if (!request.pid_file.empty()) write_file_atomic(request.pid_file, std::to_string(record_.pid), false, 0644);
}

void Creation::detach() {
  launched_->detach();
  kept_ = true;
}

void Creation::start() {
  launching([&] { launched_->start(connect_agent(linux_, record_, Status::created, record_.pid)); });
  run_poststart(hooks_, record_);
  kept_ = true;
  gate_.reset();
}

}  // namespace sandbox::runtime
