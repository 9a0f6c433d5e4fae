// See update.h.
#include "sandbox/engine/update.h"

#include <unistd.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cgroup/container_cgroup.h"
#include "sandbox/cgroup/survey.h"
#include "sandbox/container/container_events.h"
#include "sandbox/engine/life_options.h"
#include "sandbox/engine/limits.h"

namespace sandbox::engine {
namespace {

std::string word(std::uint64_t number) { return number == 0 ? std::string() : fmt::format("{}", number); }

/// As --cpus has it.
std::string processors_word(std::uint64_t nano_cpus) {
  if (nano_cpus == 0) return {};
  return fmt::format("{}.{:09}", nano_cpus / 1'000'000'000, nano_cpus % 1'000'000'000);
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

void apply_to_running(const container::Container& container, const cgroup::Limits& limits) {
  const auto changes = cgroup::plan_changes(container.spec.limits, limits);
  if (changes.empty()) return;
  const std::string path = container::cgroup_path(container);
  const auto directory = cgroup::Directory::find(path);
  if (!directory) {
    throw Unsupported(fmt::format("cannot update container {}: it runs without a cgroup of its own", container.spec.name),
                      "see 'sandbox doctor' for what delegates cgroups to you");
  }
  cgroup::enable_controllers(parent_of(path), cgroup::controllers_of(changes));
  directory->apply(changes);
}

}  // namespace

cgroup::Limits updated_limits(const cgroup::Limits& present, const RunRequest& given, unsigned processors) {
  RunRequest all = given;
  const auto keep = [](std::string& words, std::string otherwise) {
    if (words.empty()) words = std::move(otherwise);
  };
  keep(all.memory, word(present.memory));
  keep(all.memory_swap, present.memory_swap == 0 ? "" : fmt::format("{}", present.memory_swap));
  keep(all.memory_reservation, word(present.memory_reservation));
  if (all.cpu_quota.empty() && all.cpu_period.empty()) keep(all.cpus, processors_word(present.nano_cpus));
  keep(all.cpu_shares, word(present.cpu_shares));
  keep(all.cpuset_cpus, present.cpuset_cpus);
  keep(all.cpuset_mems, present.cpuset_mems);
  keep(all.pids_limit, word(present.pids));
  keep(all.blkio_weight, word(present.block_weight));
  cgroup::Limits limits = parse_limits(all, processors);
  limits.disks = present.disks;
  return limits;
}

void update_container(const Places& places, const std::string& id, const RunRequest& given) {
  const container::ContainerStore store(places);
  const container::Container found = store.find(id);
  const auto processors = static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const cgroup::Limits limits = updated_limits(found.spec.limits, given, processors);
  container::RestartPolicy policy = found.spec.restart;
  if (!given.restart.empty()) {
    policy = parse_restart_policy(given.restart);
    if (found.spec.auto_remove && policy.when != container::RestartWhen::no) {
      throw Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
    }
  }
  if (found.state.status == container::Status::running) {
    apply_to_running(found, limits);
  } else if (!(limits == found.spec.limits)) {
    (void)grant_limits(limits, cgroup::survey(), found.spec.limits_best_effort);
  }
  const container::Spec changed = store.change(found, [&](container::Spec& spec) {
    spec.limits = limits;
    spec.restart = policy;
  });
  container::record_container_event(places, changed, "update");
}

}  // namespace sandbox::engine
