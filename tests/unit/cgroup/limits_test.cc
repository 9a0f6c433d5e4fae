// Golden table: what Docker's flags become in the files of cgroup v2.
#include "sandbox/cgroup/limits.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"

namespace sandbox::cgroup {
namespace {

constexpr std::uint64_t mib = 1U << 20;

std::string written(const Limits& limits) {
  std::string text;
  for (const Setting& setting : plan_settings(limits)) {
    text += fmt::format("{}{}={}", text.empty() ? "" : "; ", setting.file, setting.value);
  }
  return text;
}

TEST_CASE("each limit becomes the kernel's file and words") {
  struct Row {
    Limits limits;
    const char* expected;
  };
  const Row rows[] = {
      {{}, ""},
      {{.memory = 50 * mib}, "memory.max=52428800; memory.swap.max=52428800"},
      {{.memory = 50 * mib, .memory_swap = -1}, "memory.max=52428800; memory.swap.max=max"},
      {{.memory = 50 * mib, .memory_swap = 50 * mib}, "memory.max=52428800; memory.swap.max=0"},
      {{.memory = 50 * mib, .memory_swap = 80 * mib}, "memory.max=52428800; memory.swap.max=31457280"},
      {{.memory_reservation = 8 * mib}, "memory.low=8388608"},
      {{.nano_cpus = 500'000'000}, "cpu.max=50000 100000"},
      {{.nano_cpus = 10'000'000}, "cpu.max=1000 100000"},
      {{.nano_cpus = 2'000'000'000}, "cpu.max=200000 100000"},
      {{.cpu_shares = 1024}, "cpu.weight=100"},
      {{.cpuset_cpus = "0-1", .cpuset_mems = "0"}, "cpuset.cpus=0-1; cpuset.mems=0"},
      {{.pids = 20}, "pids.max=20"},
      {{.block_weight = 10}, "io.weight=default 1"},
      {{.block_weight = 1000}, "io.weight=default 10000"},
      {{.disks = {{BlockLimit::weight, "/dev/sda", 8, 0, 505}, {BlockLimit::read_bps, "/dev/sda", 8, 0, mib}}},
       "io.weight=8:0 5000; io.max=8:0 rbps=1048576"},
      {{.disks = {{BlockLimit::write_bps, "/dev/sda", 8, 0, 1},
                  {BlockLimit::read_iops, "/dev/sdb", 8, 16, 2},
                  {BlockLimit::write_iops, "/dev/sdb", 8, 16, 3}}},
       "io.max=8:0 wbps=1; io.max=8:16 riops=2; io.max=8:16 wiops=3"},
      {{.memory = 6 * mib, .nano_cpus = 1'000'000'000, .pids = 1},
       "memory.max=6291456; memory.swap.max=6291456; cpu.max=100000 100000; pids.max=1"},
  };
  for (const Row& row : rows) CHECK(written(row.limits) == row.expected);
}

TEST_CASE("the ends and the middle of cpu.shares are those of cpu.weight") {
  CHECK(cpu_weight(2) == 1);
  CHECK(cpu_weight(1024) == 100);
  CHECK(cpu_weight(262'144) == 10'000);
  CHECK(cpu_weight(512) < cpu_weight(1024));
  CHECK(cpu_weight(2048) > cpu_weight(1024));
}

TEST_CASE("only the swap limit that nobody asked for may be absent from the kernel") {
  for (const Setting& setting : plan_settings({.memory = mib}))
    CHECK(setting.optional == (setting.file == "memory.swap.max"));
  for (const Setting& setting : plan_settings({.memory = mib, .memory_swap = 2 * mib})) CHECK_FALSE(setting.optional);
}

TEST_CASE("controllers are named once each") {
  const auto settings =
      plan_settings({.memory = mib, .memory_reservation = mib, .nano_cpus = 1, .cpu_shares = 2, .pids = 3});
  CHECK(controllers_of(settings) == std::vector<std::string>{"memory", "cpu", "pids"});
}

TEST_CASE("what is not limited any more is as in a new cgroup") {
  const auto changed = [](const Limits& before, const Limits& after) {
    std::string text;
    for (const Setting& setting : plan_changes(before, after))
      text += fmt::format("{}{}={}", text.empty() ? "" : "; ", setting.file, setting.value);
    return text;
  };
  CHECK(changed({.memory = 50 * mib, .pids = 3}, {.pids = 3}) == "memory.max=max; memory.swap.max=max");
  CHECK(changed({.nano_cpus = 1'000'000'000}, {}) == "cpu.max=max 100000");
  CHECK(changed({.cpu_shares = 2, .pids = 3, .block_weight = 10}, {.block_weight = 1000}) ==
        "io.weight=default 10000; cpu.weight=100; pids.max=max");
  CHECK(changed({.memory_reservation = 8 * mib, .block_weight = 10}, {}) == "memory.low=0; io.weight=default 100");
  CHECK(changed({}, {}).empty());
}

TEST_CASE("every limit can be left out by its option") {
  const Limits all{.memory = 1,
                   .memory_swap = 2,
                   .memory_reservation = 3,
                   .nano_cpus = 4,
                   .cpu_shares = 5,
                   .cpuset_cpus = "0",
                   .cpuset_mems = "0",
                   .pids = 6,
                   .block_weight = 10,
                   .disks = {{BlockLimit::weight, "/dev/sda", 8, 0, 10},
                             {BlockLimit::read_bps, "/dev/sda", 8, 0, 1},
                             {BlockLimit::write_bps, "/dev/sda", 8, 0, 1},
                             {BlockLimit::read_iops, "/dev/sda", 8, 0, 1},
                             {BlockLimit::write_iops, "/dev/sda", 8, 0, 1}}};
  Limits left = all;
  for (const Setting& setting : plan_settings(all)) {
    left = without(left, setting);
    CAPTURE(setting.file);
    CHECK_FALSE(without(all, setting) == all);
  }
  CHECK(left == Limits{});
}

}  // namespace
}  // namespace sandbox::cgroup
