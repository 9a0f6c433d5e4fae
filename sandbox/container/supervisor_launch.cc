// How the supervisor makes processes: in which cgroup, in whose namespaces. Runs in the supervisor.
#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/container/helpers.h"
#include "sandbox/container/shared_namespaces.h"
#include "sandbox/container/supervising.h"
#include "userns/launch.h"

namespace sandbox::container {
namespace {

/// Whether those in there may write to the cgroup that they are in: it must not be ours.
bool divides_cgroup(const userns::LaunchPlan& plan) {
  return std::ranges::any_of(plan.mounts, [](const userns::MountOp& mount) {
    return mount.kind == userns::MountKind::cgroup2 && !mount.read_only;
  });
}

}  // namespace

void Supervisor::enter_cgroup() {
  const Spec& spec = container_.spec;
  const auto own = divides_cgroup(spec.plan) ? cgroup::Own::needed : cgroup::Own::welcome;
  auto established = cgroup::establish(spec.id, spec.limits, spec.limits_best_effort, own,
                                       [&](const std::string& path) { record_cgroup(container_, path); });
  for (const auto& warning : established.warnings)
    clients_.first()->queue(FrameType::stderr_data, "WARNING: " + warning + "\n");
  if (established.cgroup) cgroup_.emplace(std::move(*established.cgroup));
}

std::optional<cgroup::Directory> Supervisor::cgroup_beside() const {
  if (!cgroup_ || !divides_cgroup(container_.spec.plan)) return {};
  const auto path = cgroup::unified_path(read_file(fmt::format("/proc/{}/cgroup", main_->pid())));
  const auto below = path ? cgroup::path_below(*path, cgroup::cgroup_name(container_.spec.id)) : std::nullopt;
  auto beside = below ? cgroup::Directory::find(cgroup_->path() + *below) : std::nullopt;
  // Rather no process than one without the container's limits.
  if (!beside) throw Conflict("the cgroup of the container's first process is not to be found");
  return beside;
}

userns::Launched Supervisor::join(const userns::ProcessPlan& process, const Stdio& stdio) const {
  const auto beside = cgroup_beside();
  return userns::join(main_->launched().pidfd(), process, stdio.child(), {beside ? beside->fd() : cgroup_fd(), {}});
}

void Supervisor::leave_cgroup() {
  if (!cgroup_) return;
  state_.oom_killed = cgroup_->oom_kills() > 0;
  cgroup_.reset();
  record_cgroup(container_, "");
}

void Supervisor::start() {
  try {
    begin_run();
    shared_.reset();
  } catch (const Error&) {
    if (shared_) shared_->require_running();
    throw;
  }
}

/// The container's first process, which waits for the word to start.
userns::Launched Supervisor::launch(const Stdio& stdio) {
  const Spec& spec = container_.spec;
  userns::LaunchPlan joined;
  if (!spec.shared_namespaces.empty()) joined = shared_.emplace(places_, spec).joined_to(spec.plan);
  const userns::LaunchPlan& plan = shared_ ? joined : spec.plan;
  userns::LaunchHooks hooks = launch_hooks(plan, overlay_);
  if (!has_own_processes(spec)) {
    own_processes_.emplace();
    hooks.in_namespaces = [this] { own_processes_->introduce(); };
  }
  auto launched = userns::Launched::begin(plan, stdio.child(), hooks, {cgroup_fd(), {}});
  if (own_processes_) own_processes_->recognize();
  return launched;
}

}  // namespace sandbox::container
