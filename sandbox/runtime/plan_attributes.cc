#include "sandbox/runtime/plan_attributes.h"

#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/personality.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "sandbox/base/error.h"

namespace sandbox::runtime {
namespace {

struct Word {
  std::string_view name;
  std::uint64_t value;
};
constexpr Word policy_words[] = {{"SCHED_OTHER", SCHED_OTHER}, {"SCHED_FIFO", SCHED_FIFO},
                                 {"SCHED_RR", SCHED_RR},       {"SCHED_BATCH", SCHED_BATCH},
                                 {"SCHED_IDLE", SCHED_IDLE},   {"SCHED_DEADLINE", SCHED_DEADLINE}};
constexpr Word scheduler_flags[] = {{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
                                    {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
                                    {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
                                    {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
                                    {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
                                    {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
                                    {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX}};
// ioprio_set(2); linux/ioprio.h is not for C++: it names a parameter "class".
constexpr Word io_classes[] = {{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
constexpr int io_class_shift = 13;
constexpr Word personalities[] = {{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}};
constexpr Word memory_modes[] = {{"MPOL_DEFAULT", MPOL_DEFAULT},
                                 {"MPOL_BIND", MPOL_BIND},
                                 {"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
                                 {"MPOL_WEIGHTED_INTERLEAVE", 6},  // linux/mempolicy.h since 6.9
                                 {"MPOL_PREFERRED", MPOL_PREFERRED},
                                 {"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
                                 {"MPOL_LOCAL", MPOL_LOCAL}};
constexpr Word memory_flags[] = {{"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
                                 {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
                                 {"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES}};

constexpr std::uint32_t node_bound = 1024;  // MAX_NUMNODES of the largest kernels

std::uint64_t meaning(std::span<const Word> words, const oci::Value& value) {
  const std::string name = value.text();
  const auto word = std::ranges::find(words, name, &Word::name);
  if (word == words.end()) value.fail(fmt::format("has the unknown value \"{}\"", name));
  return word->value;
}

std::vector<std::string> names_of(std::span<const Word> words) {
  std::vector<std::string> names;
  for (const Word& word : words) names.emplace_back(word.name);
  return names;
}

std::uint64_t meanings(std::span<const Word> words, const std::vector<oci::Value>& values) {
  std::uint64_t bits = 0;
  for (const oci::Value& value : values) bits |= meaning(words, value);
  return bits;
}

std::uint32_t parse_member(std::string_view text, std::uint32_t bound, const oci::Value& value) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) value.fail("is not a list of numbers and ranges");
  if (number >= bound) value.fail(fmt::format("has a number above {}", bound - 1));
  return number;
}

/// "0-3,7", in the kernel's list format (cpuset(7)).
std::vector<std::uint32_t> parse_list(const oci::Value& value, std::uint32_t bound) {
  std::vector<std::uint32_t> numbers;
  const std::string text = value.text();
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    const std::string_view range = rest.substr(0, comma);
    const auto dash = range.find('-');
    const std::uint32_t first = parse_member(range.substr(0, dash), bound, value);
    const std::uint32_t last = dash == range.npos ? first : parse_member(range.substr(dash + 1), bound, value);
    if (last < first) value.fail("has a range that ends before it begins");
    for (std::uint32_t number = first; number <= last; ++number) numbers.push_back(number);
    rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
  }
  std::ranges::sort(numbers);
  const auto repeated = std::ranges::unique(numbers);
  numbers.erase(repeated.begin(), repeated.end());
  return numbers;
}

userns::SchedulerPlan plan_scheduler(const oci::Value& value) {
  userns::SchedulerPlan plan;
  plan.policy = static_cast<std::uint32_t>(meaning(policy_words, value.at("policy")));
  plan.flags = meanings(scheduler_flags, value.items("flags"));
  plan.nice = value.integer<std::int32_t>("nice").value_or(0);
  const std::int32_t priority = value.integer<std::int32_t>("priority").value_or(0);
  if (priority < 0 || priority > 99) value.at("priority").fail("is out of range");
  plan.priority = static_cast<std::uint32_t>(priority);
  plan.runtime = value.integer<std::uint64_t>("runtime").value_or(0);
  plan.deadline = value.integer<std::uint64_t>("deadline").value_or(0);
  plan.period = value.integer<std::uint64_t>("period").value_or(0);
  if (plan.nice < -20 || plan.nice > 19) value.at("nice").fail("is out of range");
  return plan;
}

std::uint32_t plan_io_priority(const oci::Value& value) {
  const int level = value.integer<std::int32_t>("priority").value_or(0);
  if (level < 0 || level > 7) value.at("priority").fail("is out of range");
  return static_cast<std::uint32_t>(meaning(io_classes, value.at("class")) << io_class_shift) |
         static_cast<std::uint32_t>(level);
}

std::uint32_t plan_personality(const oci::Value& value) {
  if (!value.items("flags").empty()) value.at("flags").fail("has an unknown value");  // the specification knows none
  return static_cast<std::uint32_t>(meaning(personalities, value.at("domain")));
}

userns::MemoryPolicy plan_memory_policy(const oci::Value& value) {
  userns::MemoryPolicy policy;
  policy.mode = static_cast<std::uint32_t>(meaning(memory_modes, value.at("mode")) |
                                           meanings(memory_flags, value.items("flags")));
  if (const auto nodes = value.find("nodes")) policy.nodes = parse_list(*nodes, node_bound);
  return policy;
}

}  // namespace

std::optional<userns::TaskAttributes> plan_attributes(const oci::Process& process, const oci::Linux& part) {
  if (!process.scheduler && !process.io_priority && !part.personality && !part.memory_policy) return {};
  userns::TaskAttributes attributes;
  if (process.scheduler) attributes.scheduler = plan_scheduler({*process.scheduler, "process.scheduler"});
  if (process.io_priority) attributes.io_priority = plan_io_priority({*process.io_priority, "process.ioPriority"});
  if (part.personality) attributes.personality = plan_personality({*part.personality, "linux.personality"});
  if (part.memory_policy) attributes.memory_policy = plan_memory_policy({*part.memory_policy, "linux.memoryPolicy"});
  return attributes;
}

std::vector<std::uint32_t> plan_exec_cpus(const oci::Process& process) {
  if (!process.exec_cpu_affinity) return {};
  const oci::Value value(*process.exec_cpu_affinity, "process.execCPUAffinity");
  std::vector<std::uint32_t> cpus;
  for (const char* key : {"initial", "final"}) {
    const auto list = value.find(key);
    if (!list) continue;
    if (auto named = parse_list(*list, CPU_SETSIZE); !named.empty()) cpus = std::move(named);
  }
  return cpus;
}

std::vector<std::string> memory_policy_modes() { return names_of(memory_modes); }
std::vector<std::string> memory_policy_flags() { return names_of(memory_flags); }

}  // namespace sandbox::runtime
