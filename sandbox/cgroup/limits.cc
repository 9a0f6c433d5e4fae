#include "sandbox/cgroup/limits.h"

#include <algorithm>
#include <cstring>
#include <numbers>

#include "sandbox/base/error.h"

namespace sandbox::cgroup {
namespace {

constexpr std::uint64_t period = 100'000;  // microseconds, the kernel's and Docker's default

/// By BlockLimit.
struct BlockFile {
  const char *option, *word;  ///< What the line of io.max begins with.
};
constexpr BlockFile kBlockFiles[] = {{"--blkio-weight-device", nullptr},
                                     {"--device-read-bps", "rbps"},
                                     {"--device-write-bps", "wbps"},
                                     {"--device-read-iops", "riops"},
                                     {"--device-write-iops", "wiops"}};

/// What a new cgroup has where a limit may have been.
std::vector<Setting> usual_settings() {
  return {{"--memory", "memory.max", "max"},
          {"--memory", "memory.swap.max", "max", true},
          {"--memory-reservation", "memory.low", "0"},
          {"--cpus", "cpu.max", fmt::format("max {}", period)},
          {"--cpu-shares", "cpu.weight", "100"},
          {"--pids-limit", "pids.max", "max"},
          {"--blkio-weight", "io.weight", "default 100", false, "io.bfq.weight", "default 100"}};
}

const BlockFile& file_of(const DiskLimit& limit) { return kBlockFiles[static_cast<std::size_t>(limit.kind)]; }

Setting setting_of(const DiskLimit& limit) {
  const BlockFile& file = file_of(limit);
  const std::string disk = fmt::format("{}:{}", limit.major, limit.minor);
  if (limit.kind == BlockLimit::weight) return block_weight(file.option, disk, limit.amount);
  return {file.option, "io.max", fmt::format("{} {}={}", disk, file.word, limit.amount)};
}

std::string swap_limit(const Limits& limits) {
  if (limits.memory_swap < 0) return "max";
  if (limits.memory_swap == 0) return fmt::format("{}", limits.memory);
  return fmt::format("{}", static_cast<std::uint64_t>(limits.memory_swap) - limits.memory);
}

// Two functions of <cmath> would make every start of the program load libm, half a millisecond.

/// log2(3) of x ≥ 1.
constexpr double binary_logarithm(double x) {
  double result = 0;
  for (; x >= 2; x /= 2) ++result;
  for (double bit = 0.5; bit > 1e-17; bit /= 2) {  // squaring doubles the logarithm
    x *= x;
    if (x < 2) continue;
    x /= 2;
    result += bit;
  }
  return result;
}

/// 10 to the power of 0 … 5, by the exponential series.
constexpr double power_of_ten(double exponent) {
  const double x = exponent * std::numbers::ln10;
  double sum = 1, term = 1;
  for (int n = 1; n < 60; ++n) sum += term *= x / n;
  return sum;
}

constexpr std::uint64_t round_up(double x) {
  const auto whole = static_cast<std::uint64_t>(x);
  return static_cast<double>(whole) < x ? whole + 1 : whole;
}

}  // namespace

std::vector<Setting> plan_settings(const Limits& limits) {
  std::vector<Setting> settings;
  if (limits.memory != 0) {
    settings.push_back({"--memory", "memory.max", fmt::format("{}", limits.memory)});
    const bool asked = limits.memory_swap != 0;
    settings.push_back({asked ? "--memory-swap" : "--memory", "memory.swap.max", swap_limit(limits), !asked});
  }
  if (limits.memory_reservation != 0) {
    settings.push_back({"--memory-reservation", "memory.low", fmt::format("{}", limits.memory_reservation)});
  }
  if (limits.nano_cpus != 0) {
    const std::uint64_t quota = limits.nano_cpus / (1'000'000'000 / period);
    settings.push_back({"--cpus", "cpu.max", fmt::format("{} {}", quota, period)});
  }
  if (limits.cpu_shares != 0) {
    settings.push_back({"--cpu-shares", "cpu.weight", fmt::format("{}", cpu_weight(limits.cpu_shares))});
  }
  if (!limits.cpuset_cpus.empty()) settings.push_back({"--cpuset-cpus", "cpuset.cpus", limits.cpuset_cpus});
  if (!limits.cpuset_mems.empty()) settings.push_back({"--cpuset-mems", "cpuset.mems", limits.cpuset_mems});
  if (limits.pids != 0) settings.push_back({"--pids-limit", "pids.max", fmt::format("{}", limits.pids)});
  if (limits.block_weight != 0) settings.push_back(block_weight("--blkio-weight", "default", limits.block_weight));
  for (const DiskLimit& limit : limits.disks) settings.push_back(setting_of(limit));
  return settings;
}

std::vector<Setting> plan_changes(const Limits& before, const Limits& after) {
  const std::vector<Setting> present = plan_settings(before);
  std::vector<Setting> changes = plan_settings(after);
  std::erase_if(changes, [&](const Setting& setting) {
    return std::ranges::any_of(
        present, [&](const Setting& old) { return old.file == setting.file && old.value == setting.value; });
  });
  const auto is_in = [](const std::vector<Setting>& settings, const std::string& file) {
    return std::ranges::find(settings, file, &Setting::file) != settings.end();
  };
  const std::vector<Setting> wanted = plan_settings(after);
  std::vector<Setting> usual = usual_settings();
  for (Setting& one : usual) {
    if (is_in(present, one.file) && !is_in(wanted, one.file)) changes.push_back(std::move(one));
  }
  return changes;
}

std::vector<std::string> controllers_of(const std::vector<Setting>& settings) {
  std::vector<std::string> controllers;
  for (const Setting& setting : settings) {
    if (std::ranges::find(controllers, setting.controller()) == controllers.end()) {
      controllers.push_back(setting.controller());
    }
  }
  return controllers;
}

Limits without(Limits limits, const Setting& setting) {
  const std::string_view option = setting.option;
  if (option == "--memory") limits.memory = 0;
  if (option == "--memory" || option == "--memory-swap") limits.memory_swap = 0;
  if (option == "--memory-reservation") limits.memory_reservation = 0;
  if (option == "--cpus") limits.nano_cpus = 0;
  if (option == "--cpu-shares") limits.cpu_shares = 0;
  if (option == "--cpuset-cpus") limits.cpuset_cpus.clear();
  if (option == "--cpuset-mems") limits.cpuset_mems.clear();
  if (option == "--pids-limit") limits.pids = 0;
  if (option == "--blkio-weight") limits.block_weight = 0;
  std::erase_if(limits.disks, [&](const DiskLimit& limit) { return option == file_of(limit).option; });
  return limits;
}

std::span<const char* const> words_of(BlockLimit) {
  static constexpr const char* words[] = {"blkio-weight-device", "device-read-bps", "device-write-bps",
                                          "device-read-iops", "device-write-iops"};
  return words;
}

Setting block_weight(const char* option, const std::string& whose, std::uint64_t weight) {
  // io.weight goes to 10000, io.bfq.weight, which takes its place where another scheduler is built in, to 1000.
  return {option, "io.weight",     fmt::format("{} {}", whose, 1 + (weight - 10) * 9999 / 990),
          false,  "io.bfq.weight", fmt::format("{} {}", whose, weight)};
}

std::uint64_t cpu_weight(std::uint64_t shares) {
  const double l = binary_logarithm(static_cast<double>(std::clamp<std::uint64_t>(shares, 2, 262'144)));
  // A parabola of the logarithms through the three fixed points; a straight line between the outer
  // two would make the usual share 39.
  return round_up(power_of_ten((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0) - 1e-9);
}

}  // namespace sandbox::cgroup
