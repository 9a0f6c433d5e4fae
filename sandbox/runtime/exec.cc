#include "sandbox/runtime/exec.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/runtime/caller.h"
#include "sandbox/runtime/cgroup.h"
#include "sandbox/runtime/exec_basis.h"
#include "sandbox/runtime/launching.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/plan_attributes.h"
#include "sandbox/runtime/seccomp.h"
#include "sandbox/runtime/seccomp_agent.h"
#include "sandbox/runtime/stdio.h"

namespace sandbox::runtime {
namespace {

std::uint32_t parse_id(std::string_view word, const std::string& whole) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (word.empty() || error != std::errc{} || end != word.data() + word.size() || value == UINT32_MAX) {
    throw UsageError(fmt::format("invalid user '{}': it has the form UID[:GID]", whole));
  }
  return value;
}

/// The group stays when only a user is named, as with the other runtimes.
void set_user(const std::string& words, oci::User& user) {
  const auto colon = words.find(':');
  user.uid = parse_id(std::string_view(words).substr(0, colon), words);
  if (colon != std::string::npos) user.gid = parse_id(std::string_view(words).substr(colon + 1), words);
}

void add_capabilities(const std::vector<std::string>& names, oci::Process& process) {
  if (names.empty()) return;
  oci::ProcessCapabilities& sets = process.capabilities ? *process.capabilities : process.capabilities.emplace();
  for (auto* set : {&sets.bounding, &sets.effective, &sets.permitted})
    set->insert(set->end(), names.begin(), names.end());
  // What the container's programs may hand on through execve(2) is handed on, too, as with runc.
  std::ranges::copy_if(names, std::back_inserter(sets.ambient), [&](const std::string& name) {
    return std::ranges::find(sets.inheritable, name) != sets.inheritable.end();
  });
}

/// The container's process, changed by what `exec` was told.
oci::Process process_of(const ExecRequest& request, const oci::RuntimeSpec& spec) {
  if (!request.process_file.empty()) {
    const std::string& path = request.process_file;
    const Json document = parse_json(read_file(path), path);
    return oci::parse_process(oci::Value(document, path));
  }
  if (!spec.process) throw InvalidInput("process property must not be empty");
  oci::Process process = *spec.process;
  process.args = request.args;
  process.terminal = request.terminal;
  process.console_size.reset();
  if (!request.cwd.empty()) process.cwd = request.cwd;
  if (!process.cwd.starts_with('/'))
    throw UsageError(fmt::format("the working directory '{}' is not absolute", process.cwd));
  process.env.insert(process.env.end(), request.env.begin(), request.env.end());
  if (!request.user.empty()) set_user(request.user, process.user);
  auto& gids = process.user.additional_gids;
  gids.insert(gids.end(), request.additional_gids.begin(), request.additional_gids.end());
  add_capabilities(request.capabilities, process);
  if (request.no_new_privs) process.no_new_privileges = *request.no_new_privs;
  if (!request.apparmor.empty()) process.apparmor_profile = request.apparmor;
  if (!request.process_label.empty()) process.selinux_label = request.process_label;
  return process;
}

void check_status(Status status, bool ignore_paused) {
  if (status == Status::stopped) throw Conflict("cannot exec in a stopped container");
  if (status == Status::creating) throw Conflict("cannot exec in a container that is being created");
  if (status == Status::paused && !ignore_paused) {
    throw Conflict("cannot exec in a paused container (use --ignore-paused to override)");
  }
}

/// Before `start` the container's process waits at its gate, and may pass it at any moment.
userns::Launched join(const Store& store, const Record& record, const userns::ProcessPlan& plan,
                      const userns::StdioFds& stdio, const userns::CgroupEntry& cgroup) {
  const Fd container = open_process(record);
  if (const auto gate = connect_gate(store, record.id)) {
    if (auto launched = userns::join_waiting(gate->get(), plan, stdio, cgroup)) return std::move(*launched);
  }
  return userns::join(container.get(), plan, stdio, cgroup);
}

}  // namespace

userns::Launched exec(const Store& store, const ExecRequest& request, std::vector<std::string>& warnings) {
  const Record record = store.load(request.id);
  const Status status = status_of(store, record);
  check_status(status, request.ignore_paused);
  ExecBasis basis = load_exec_basis(store, request.id);
  const oci::RuntimeSpec& spec = basis.spec;
  const oci::Process process = process_of(request, spec);
  check_terminal(request.detach, process.terminal, request.console_socket);

  const unsigned listening = listen_fds();
  const std::vector<int> passed = inherited_descriptors(request.preserve_fds + listening);
  const Caller caller = survey_caller(spec.linux_part);
  const PlanOptions options{
      .preserved_fds = listening, .listen_fds = listening > 0, .keeps_groups = keeps_groups(record.annotations)};
  userns::ProcessPlan plan =
      plan_process(process, plan_namespaces_and_ids(spec, caller), caller, options, warnings);
  plan.attributes = plan_attributes(process, spec.linux_part);
  if (auto cpus = plan_exec_cpus(process); !cpus.empty()) {
    if (!plan.attributes) plan.attributes.emplace();
    plan.attributes->cpus = std::move(cpus);
  }
  plan.seccomp = std::move(basis.filter);
  plan.seccomp_flags = seccomp_flags(spec.linux_part);

  const Entrance entrance(record, request.cgroup);
  return launching([&] {
    userns::Launched launched = join(store, record, plan, {0, 1, 2, passed}, entrance.entry());
    entrance.finish(launched.pid());
    if (!request.console_socket.empty()) send_console(request.console_socket, launched.take_console());
    keep_line_ends(launched.console());
    if (!request.pid_file.empty()) write_file_atomic(request.pid_file, std::to_string(launched.pid()), false, 0644);
    launched.start(connect_agent(spec.linux_part, record, status, launched.pid()));
    return launched;
  });
}

}  // namespace sandbox::runtime
