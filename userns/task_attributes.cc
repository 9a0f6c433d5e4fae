#include "userns/task_attributes.h"

#include <errno.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "sandbox/base/error.h"

namespace sandbox::userns {
namespace {

/// struct sched_attr as sched_setattr(2) has it; the kernel's header can't stand beside <sched.h>.
struct SchedAttr {
  std::uint32_t size = sizeof(SchedAttr);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};

void check(long result, const char* what) {
  if (result < 0) throw SysError(Errno{errno}, what);
}

void set_affinity(const std::vector<std::uint32_t>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const std::uint32_t cpu : cpus) CPU_SET(cpu, &set);
  check(::sched_setaffinity(0, sizeof set, &set), "setting the CPU affinity");
}

void set_scheduler(const SchedulerPlan& plan) {
  SchedAttr attributes;
  attributes.policy = plan.policy;
  attributes.flags = plan.flags;
  attributes.nice = plan.nice;
  attributes.priority = plan.priority;
  attributes.runtime = plan.runtime;
  attributes.deadline = plan.deadline;
  attributes.period = plan.period;
  check(::syscall(SYS_sched_setattr, 0, &attributes, 0), "setting the scheduling policy");
}

void set_memory_policy(const MemoryPolicy& policy) {
  constexpr std::size_t bits = sizeof(unsigned long) * CHAR_BIT;
  const std::uint32_t highest = policy.nodes.empty() ? 0 : *std::ranges::max_element(policy.nodes);
  std::vector<unsigned long> mask(highest / bits + 1);
  for (const std::uint32_t node : policy.nodes) mask[node / bits] |= 1UL << (node % bits);
  // maxnode counts one more than the bits that are read (set_mempolicy(2), notes).
  const unsigned long count = policy.nodes.empty() ? 0 : mask.size() * bits + 1;
  check(::syscall(SYS_set_mempolicy, policy.mode, policy.nodes.empty() ? nullptr : mask.data(), count),
        "setting the memory policy");
}

}  // namespace

void apply(const TaskAttributes& attributes) {
  if (!attributes.cpus.empty()) set_affinity(attributes.cpus);
  if (attributes.memory_policy) set_memory_policy(*attributes.memory_policy);
  if (attributes.personality) check(::personality(*attributes.personality), "setting the personality");
  if (attributes.io_priority) {
    constexpr int who_process = 1;  // IOPRIO_WHO_PROCESS
    check(::syscall(SYS_ioprio_set, who_process, 0, *attributes.io_priority), "setting the I/O priority");
  }
  if (attributes.scheduler) set_scheduler(*attributes.scheduler);
}

}  // namespace sandbox::userns
