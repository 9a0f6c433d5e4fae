#include "sandbox/runtime/resources.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/oci/document.h"

namespace sandbox::runtime {
namespace {

using cgroup::Setting;
using oci::Value;
using Settings = std::vector<Setting>;

constexpr std::uint64_t usual_period = 100'000;  // microseconds, the kernel's default
constexpr const char* usual_weight = "100";

[[noreturn]] void refuse(const std::string& member) {
  throw Unsupported(fmt::format("linux.resources.{} can't be applied: cgroup v2 has nothing like it", member));
}

/// A member of cgroup v1 only. 0 and -1 ask for nothing.
void refuse_number(const Value& part, const char* key, const char* path) {
  const auto number = part.integer<std::int64_t>(key);
  if (number && *number != 0 && *number != -1) refuse(fmt::format("{}.{}", path, key));
}

std::string amount(std::int64_t value) { return value < 0 ? "max" : fmt::format("{}", value); }

// --- memory, cpu, pids ---------------------------------------------------------------------------

/// cgroup v1 limits memory and swap together, v2 each alone.
std::string swap_alone(const Value& memory, std::int64_t both, std::optional<std::int64_t> limit) {
  if (both < 0) return "max";
  if (!limit || *limit <= 0) memory.at("swap").fail("needs a 'limit' beside it");
  if (both < *limit) memory.at("swap").fail("is below 'limit', and counts memory and swap together");
  return fmt::format("{}", both - *limit);
}

void plan_memory(const Value& memory, const PresentLimits& present, Resources& planned) {
  Settings& settings = planned.settings;
  for (const char* key : {"kernel", "kernelTCP"}) refuse_number(memory, key, "memory");
  // 0 would forbid to swap, so it is no way to ask for nothing.
  if (memory.integer<std::int64_t>("swappiness").value_or(-1) >= 0) refuse("memory.swappiness");
  if (memory.boolean("disableOOMKiller")) refuse("memory.disableOOMKiller");
  if (!memory.boolean("useHierarchy", true)) refuse("memory.useHierarchy");  // v2 knows nothing else than true
  planned.check_memory = memory.boolean("checkBeforeUpdate");

  const auto limit = memory.integer<std::int64_t>("limit");
  const auto swap = memory.integer<std::int64_t>("swap");
  if (limit && *limit != 0) settings.push_back({"linux.resources.memory.limit", "memory.max", amount(*limit)});
  if (swap && *swap != 0) {
    const std::string value = swap_alone(memory, *swap, limit && *limit != 0 ? limit : present.memory);
    // A kernel without swap has no such file, and then nothing is what can be had of it.
    settings.push_back({"linux.resources.memory.swap", "memory.swap.max", value, value == "0" || value == "max"});
  } else if (limit && *limit < 0) {
    settings.push_back({"linux.resources.memory.limit", "memory.swap.max", "max", true});  // as in cgroup v1
  }
  if (const auto low = memory.integer<std::int64_t>("reservation"); low && *low != 0) {
    settings.push_back({"linux.resources.memory.reservation", "memory.low", amount(*low)});
  }
}

void plan_bandwidth(const Value& cpu, const PresentLimits& present, Settings& settings) {
  const std::int64_t quota = cpu.integer<std::int64_t>("quota").value_or(0);
  const std::uint64_t period = cpu.integer<std::uint64_t>("period").value_or(0);
  if (quota != 0 && period != 0) {
    settings.push_back({"linux.resources.cpu.quota", "cpu.max", fmt::format("{} {}", amount(quota), period)});
  } else if (quota != 0) {  // the kernel keeps the period (cgroup-v2.rst, "cpu.max")
    settings.push_back({"linux.resources.cpu.quota", "cpu.max", amount(quota)});
  } else if (period != 0) {
    settings.push_back({"linux.resources.cpu.period", "cpu.max", fmt::format("{} {}", present.cpu_quota, period)});
  }
  if (const auto burst = cpu.integer<std::uint64_t>("burst")) {
    settings.push_back({"linux.resources.cpu.burst", "cpu.max.burst", fmt::format("{}", *burst)});
  }
}

void plan_cpu(const Value& cpu, const PresentLimits& present, Settings& settings) {
  for (const char* key : {"realtimeRuntime", "realtimePeriod"}) refuse_number(cpu, key, "cpu");
  if (const auto shares = cpu.integer<std::uint64_t>("shares"); shares && *shares != 0) {
    settings.push_back({"linux.resources.cpu.shares", "cpu.weight", fmt::format("{}", cgroup::cpu_weight(*shares))});
  }
  plan_bandwidth(cpu, present, settings);
  if (const auto idle = cpu.integer<std::int64_t>("idle")) {
    settings.push_back({"linux.resources.cpu.idle", "cpu.idle", fmt::format("{}", *idle)});
  }
  if (const std::string cpus = cpu.text("cpus"); !cpus.empty()) {
    settings.push_back({"linux.resources.cpu.cpus", "cpuset.cpus", cpus});
  }
  if (const std::string mems = cpu.text("mems"); !mems.empty()) {
    settings.push_back({"linux.resources.cpu.mems", "cpuset.mems", mems});
  }
}

void plan_pids(const Value& pids, Settings& settings) {
  if (const auto limit = pids.integer<std::int64_t>("limit")) {
    settings.push_back({"linux.resources.pids.limit", "pids.max", *limit == 0 ? "max" : amount(*limit)});
  }
}

// --- devices of storage and the like -------------------------------------------------------------

/// `whose`: "default", or a device's number.
Setting io_weight(const char* option, const std::string& whose, const Value& value) {
  const auto weight = value.integer<std::uint64_t>();
  if (weight < 10 || weight > 1000) value.fail("is not within 10 and 1000");
  return cgroup::block_weight(option, whose, weight);
}

std::string device_of(const Value& entry) {
  return fmt::format("{}:{}", entry.at("major").integer<std::uint32_t>(), entry.at("minor").integer<std::uint32_t>());
}

void plan_weights(const Value& io, Settings& settings) {
  refuse_number(io, "leafWeight", "blockIO");
  if (const auto weight = io.find("weight"); weight && weight->integer<std::int64_t>() != 0) {
    settings.push_back(io_weight("linux.resources.blockIO.weight", "default", *weight));
  }
  for (const Value& entry : io.items("weightDevice")) {
    refuse_number(entry, "leafWeight", "blockIO.weightDevice");
    if (const auto weight = entry.find("weight"); weight && weight->integer<std::int64_t>() != 0) {
      settings.push_back(io_weight("linux.resources.blockIO.weightDevice", device_of(entry), *weight));
    }
  }
}

void plan_block_io(const Value& io, Settings& settings) {
  struct Throttle {
    const char *key, *option, *word;
  };
  constexpr Throttle throttles[] = {
      {"throttleReadBpsDevice", "linux.resources.blockIO.throttleReadBpsDevice", "rbps"},
      {"throttleWriteBpsDevice", "linux.resources.blockIO.throttleWriteBpsDevice", "wbps"},
      {"throttleReadIOPSDevice", "linux.resources.blockIO.throttleReadIOPSDevice", "riops"},
      {"throttleWriteIOPSDevice", "linux.resources.blockIO.throttleWriteIOPSDevice", "wiops"}};
  plan_weights(io, settings);
  for (const Throttle& throttle : throttles) {
    for (const Value& entry : io.items(throttle.key)) {
      const auto rate = entry.at("rate").integer<std::uint64_t>();
      const std::string words = rate == 0 ? "max" : fmt::format("{}", rate);
      settings.push_back({throttle.option, "io.max", fmt::format("{} {}={}", device_of(entry), throttle.word, words)});
    }
  }
}

/// "2MB": it becomes part of a file's name.
std::string page_size(const Value& value) {
  const std::string text = value.text();
  const auto digits = text.find_first_not_of("0123456789");
  const bool known = digits != 0 && digits != std::string::npos &&
                     (text.substr(digits) == "KB" || text.substr(digits) == "MB" || text.substr(digits) == "GB");
  if (!known) value.fail("is not a size like 2MB");
  return text;
}

void plan_huge_pages(const Value& list, Settings& settings) {
  for (const Value& entry : list.items()) {
    const std::string size = page_size(entry.at("pageSize"));
    const std::string limit = fmt::format("{}", entry.at("limit").integer<std::uint64_t>());
    settings.push_back({"linux.resources.hugepageLimits", fmt::format("hugetlb.{}.max", size), limit});
    // Also what is only reserved, so that mmap(2) fails in place of a later SIGBUS (Linux 5.7).
    settings.push_back({"linux.resources.hugepageLimits", fmt::format("hugetlb.{}.rsvd.max", size), limit, true});
  }
}

void plan_rdma(const Value& devices, Settings& settings) {
  for (const auto& [device, limits] : devices.members()) {
    if (device.empty() || device.find_first_of(" \t\n") != std::string::npos) {
      limits.fail("does not belong to the name of a device");
    }
    std::string line = device;
    if (const auto count = limits.integer<std::uint32_t>("hcaHandles")) line += fmt::format(" hca_handle={}", *count);
    if (const auto count = limits.integer<std::uint32_t>("hcaObjects")) line += fmt::format(" hca_object={}", *count);
    settings.push_back({"linux.resources.rdma", "rdma.max", line});
  }
}

void plan_network(const Value& network) {
  refuse_number(network, "classID", "network");
  if (!network.items("priorities").empty()) refuse("network.priorities");
}

// --- files by their names ------------------------------------------------------------------------

/// A file of a controller in the cgroup itself. Those of cgroup.* are the runtime's: they move, stop and kill
/// processes; two of them are limits.
bool is_controller_file(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  };
  if (name.starts_with("cgroup.")) return name == "cgroup.max.depth" || name == "cgroup.max.descendants";
  const auto dot = name.find('.');
  return std::ranges::all_of(name, allowed) && dot != 0 && dot != std::string_view::npos;
}

/// The kernel decides about the values, and takes one line at a time.
void plan_unified(const Value& files, Settings& settings) {
  for (const auto& [file, value] : files.members()) {
    if (!is_controller_file(file)) value.fail("is not for a file of a cgroup controller");
    const std::string text = value.text();
    for (std::string_view rest = text; !rest.empty();) {
      const auto end = rest.find('\n');
      if (end != 0) settings.push_back({"linux.resources.unified", file, std::string(rest.substr(0, end))});
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
  }
}

bool asks_for_nothing(const Setting& setting) {
  const std::string &file = setting.file, &value = setting.value;
  if (file == "memory.max" || file == "memory.swap.max" || file == "pids.max") return value == "max";
  if (file == "cpu.max") return value == "max" || value == fmt::format("max {}", usual_period);
  return file == "cpu.weight" && value == usual_weight;
}

}  // namespace

Resources plan_resources(const Json& resources, std::string_view what, const PresentLimits& present) {
  Resources planned;
  const Value all(resources, what, "linux.resources");
  if (const auto memory = all.find("memory")) plan_memory(*memory, present, planned);
  if (const auto cpu = all.find("cpu")) plan_cpu(*cpu, present, planned.settings);
  if (const auto pids = all.find("pids")) plan_pids(*pids, planned.settings);
  if (const auto io = all.find("blockIO")) plan_block_io(*io, planned.settings);
  if (const auto pages = all.find("hugepageLimits")) plan_huge_pages(*pages, planned.settings);
  if (const auto network = all.find("network")) plan_network(*network);
  if (const auto rdma = all.find("rdma")) plan_rdma(*rdma, planned.settings);
  // Last: "unified" has the last word about a file (config-linux.md, "Unified").
  if (const auto unified = all.find("unified")) plan_unified(*unified, planned.settings);
  return planned;
}

std::vector<Setting> for_new_cgroup(std::vector<Setting> settings) {
  // The last write into a file counts, so one that asks for nothing may undo another before it.
  const Settings all = settings;
  std::erase_if(settings, [&](const Setting& setting) {
    return asks_for_nothing(setting) && std::ranges::count(all, setting.file, &Setting::file) == 1;
  });
  return settings;
}

}  // namespace sandbox::runtime
