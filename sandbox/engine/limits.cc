// See limits.h.
#include "sandbox/engine/limits.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <cmath>

#include "sandbox/base/error.h"
#include "sandbox/cgroup/survey.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

constexpr std::uint64_t kLeastMemory = 6U << 20;
constexpr std::uint64_t kLeastShares = 2, kMostShares = 262'144;
constexpr std::uint64_t kLeastWeight = 10, kMostWeight = 1000;

[[noreturn]] void refuse(const std::string& value, const char* flag, std::string_view reason) {
  throw UsageError(fmt::format("invalid argument \"{}\" for \"--{}\" flag: {}", value, flag, reason));
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::uint64_t parse_nano_cpus(const std::string& text, unsigned processors) {
  if (text.empty()) return 0;
  double number = 0;
  if (!parse_number(text, number) || !std::isfinite(number)) refuse(text, "cpus", "not a decimal number");
  if (number == 0) return 0;
  if (number < 0.01 || number > processors) {
    throw UsageError(fmt::format("range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available", processors,
                                 processors));
  }
  return static_cast<std::uint64_t>(number * 1e9 + 0.5);
}

/// --cpu-quota and --cpu-period: so many microseconds out of so many.
std::uint64_t parse_quota(const RunRequest& request) {
  if (request.cpu_quota.empty() && request.cpu_period.empty()) return 0;
  if (!request.cpus.empty()) throw UsageError("conflicting options: Nano CPUs and CPU Period cannot both be set");
  constexpr std::uint64_t kLeast = 1000, kMost = 1'000'000;
  std::uint64_t period = 100'000;
  std::int64_t quota = 0;
  if (!request.cpu_period.empty() && (!parse_number(request.cpu_period, period) || period < kLeast || period > kMost)) {
    refuse(request.cpu_period, "cpu-period", "not between 1000 and 1000000");
  }
  if (request.cpu_quota.empty()) return 0;
  if (!parse_number(request.cpu_quota, quota)) refuse(request.cpu_quota, "cpu-quota", "not a number");
  if (quota <= 0) return 0;  // no limit
  if (static_cast<std::uint64_t>(quota) < kLeast) refuse(request.cpu_quota, "cpu-quota", "less than 1000");
  return static_cast<std::uint64_t>(quota) * 1'000'000'000 / period;
}

std::uint64_t parse_shares(const std::string& text) {
  if (text.empty()) return 0;
  std::uint64_t shares = 0;
  if (!parse_number(text, shares)) refuse(text, "cpu-shares", "not a number");
  if (shares != 0 && (shares < kLeastShares || shares > kMostShares))
    refuse(text, "cpu-shares", "not between 2 and 262144");
  return shares;
}

std::uint64_t parse_pids(const std::string& text) {
  if (text.empty()) return 0;
  std::int64_t pids = 0;
  if (!parse_number(text, pids)) refuse(text, "pids-limit", "not a number");
  return pids > 0 ? static_cast<std::uint64_t>(pids) : 0;  // 0 and -1: unlimited
}

/// "0-2,4": the kernel's list format, checked here since it also takes words that nobody means.
std::string parse_list(const std::string& text, const char* flag) {
  std::string_view rest = text;
  while (!text.empty()) {
    const auto comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    const auto dash = part.find('-');
    unsigned first = 0, last = 0;
    const bool valid = dash == std::string_view::npos ? parse_number(part, first)
                                                      : parse_number(part.substr(0, dash), first) &&
                                                            parse_number(part.substr(dash + 1), last) && first <= last;
    if (!valid) refuse(text, flag, "not a list like 0-2,4");
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return text;
}

bool is_weight(std::uint64_t weight) { return weight == 0 || (weight >= kLeastWeight && weight <= kMostWeight); }

std::uint64_t parse_weight(const std::string& text) {
  if (text.empty()) return 0;
  std::uint64_t weight = 0;
  if (!parse_number(text, weight)) refuse(text, "blkio-weight", "not a number");
  if (!is_weight(weight)) throw UsageError("range of blkio weight is from 10 to 1000");
  return weight;
}

std::uint64_t parse_amount(cgroup::BlockLimit kind, const std::string& word, const std::string& text, const char* flag) {
  using enum cgroup::BlockLimit;
  std::uint64_t amount = 0;
  if (kind == read_bps || kind == write_bps) {
    try {
      return parse_size(word);
    } catch (const UsageError&) {
      refuse(text, flag, fmt::format("invalid rate for device: {}. The correct format is <device-path>:<number>[<unit>]. "
                                     "Number must be a positive integer. Unit is optional and can be kb, mb, or gb", text));
    }
  }
  const bool valid = parse_number(word, amount);
  if (kind == weight && (!valid || !is_weight(amount))) refuse(text, flag, fmt::format("invalid weight for device: {}", text));
  if (!valid) refuse(text, flag, fmt::format("invalid rate for device: {}. The correct format is <device-path>:<number>. "
                                             "Number must be a positive integer", text));
  return amount;
}

/// "/dev/sda:1mb"; which disk that is has yet to be found. 0 asks for nothing.
void parse_disks(cgroup::BlockLimit kind, const std::vector<std::string>& words, std::vector<cgroup::DiskLimit>& disks) {
  const char* flag = cgroup::words_of(kind)[static_cast<std::size_t>(kind)];
  for (const std::string& text : words) {
    const auto colon = text.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
      refuse(text, flag, fmt::format("bad format: {}", text));
    if (!text.starts_with("/dev/")) refuse(text, flag, fmt::format("bad format for device path: {}", text));
    const std::uint64_t amount = parse_amount(kind, text.substr(colon + 1), text, flag);
    if (amount != 0) disks.push_back({.kind = kind, .path = text.substr(0, colon), .amount = amount});
  }
}

void parse_block(const RunRequest& request, cgroup::Limits& limits) {
  using enum cgroup::BlockLimit;
  limits.block_weight = parse_weight(request.blkio_weight);
  parse_disks(weight, request.blkio_weight_devices, limits.disks);
  parse_disks(read_bps, request.device_read_bps, limits.disks);
  parse_disks(write_bps, request.device_write_bps, limits.disks);
  parse_disks(read_iops, request.device_read_iops, limits.disks);
  parse_disks(write_iops, request.device_write_iops, limits.disks);
}

/// Which disks the paths name. Throws UsageError for one that is none.
void find_disks(std::vector<cgroup::DiskLimit>& disks) {
  for (cgroup::DiskLimit& limit : disks) {
    struct stat status{};
    if (::stat(limit.path.c_str(), &status) != 0)
      throw UsageError(fmt::format("device '{}': {}", limit.path, Errno{errno}.message()));
    if (!S_ISBLK(status.st_mode)) throw UsageError(fmt::format("'{}' is not a block device", limit.path));
    limit.major = major(status.st_rdev);
    limit.minor = minor(status.st_rdev);
  }
}

void parse_memory(const RunRequest& request, cgroup::Limits& limits) {
  if (!request.memory.empty()) limits.memory = parse_size(request.memory);
  if (!request.memory_reservation.empty()) limits.memory_reservation = parse_size(request.memory_reservation);
  if (request.memory_swap == "-1") {
    limits.memory_swap = -1;
  } else if (!request.memory_swap.empty()) {
    limits.memory_swap = static_cast<std::int64_t>(parse_size(request.memory_swap));
  }
  if (limits.memory != 0 && limits.memory < kLeastMemory) throw UsageError("minimum memory limit allowed is 6MB");
  if (limits.memory_reservation != 0 && limits.memory_reservation < kLeastMemory) {
    throw UsageError("minimum memory reservation allowed is 6MB");
  }
  if (limits.memory != 0 && limits.memory < limits.memory_reservation) {
    throw UsageError("minimum memory limit can not be less than memory reservation limit, see usage");
  }
  if (limits.memory == 0 && limits.memory_swap > 0) {
    throw UsageError("you should always set the memory limit when using memoryswap limit, see usage");
  }
  if (limits.memory_swap > 0 && static_cast<std::uint64_t>(limits.memory_swap) < limits.memory) {
    throw UsageError("minimum memoryswap limit should be larger than memory limit, see usage");
  }
}

}  // namespace

cgroup::Limits parse_limits(const RunRequest& request, unsigned processors) {
  cgroup::Limits limits;
  parse_memory(request, limits);
  const std::uint64_t quota = parse_quota(request);
  limits.nano_cpus = quota != 0 ? quota : parse_nano_cpus(request.cpus, processors);
  limits.cpu_shares = parse_shares(request.cpu_shares);
  limits.cpuset_cpus = parse_list(request.cpuset_cpus, "cpuset-cpus");
  limits.cpuset_mems = parse_list(request.cpuset_mems, "cpuset-mems");
  limits.pids = parse_pids(request.pids_limit);
  parse_block(request, limits);
  return limits;
}

GrantedLimits grant_limits(const cgroup::Limits& limits, const cgroup::Surroundings& surroundings, bool best_effort) {
  GrantedLimits granted{limits, {}};
  const cgroup::Choice choice = cgroup::choose(surroundings, cgroup::plan_settings(limits));
  for (const cgroup::Setting& setting : choice.missing) {
    const std::string text = fmt::format("the limit {} can't be applied: {}", setting.option, choice.reason);
    if (!best_effort) throw Unsupported(text, choice.hint + "; or go without: --limits=best-effort");
    granted.limits = cgroup::without(granted.limits, setting);
    if (!setting.optional) granted.warnings.push_back(text);
  }
  return granted;
}

GrantedLimits decide_limits(const RunRequest& request) {
  const auto processors = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
  cgroup::Limits limits = parse_limits(request, static_cast<unsigned>(processors));
  if (limits == cgroup::Limits{}) return {};
  find_disks(limits.disks);
  return grant_limits(limits, cgroup::survey(), request.limits == "best-effort");
}

}  // namespace sandbox::engine
