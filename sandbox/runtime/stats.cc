#include "sandbox/runtime/stats.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cgroup/directory.h"
#include "sandbox/cgroup/placement.h"

namespace sandbox::runtime {
namespace {

using Text = std::function<std::string(const std::string&)>;

/// The number at the beginning of a text; the largest one for "max", 0 for anything else.
std::uint64_t number_of(std::string_view text) {
  if (text.starts_with("max")) return UINT64_MAX;
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

OrderedJson cpu_usage(const Text& text) {
  const std::string stat = text("cpu.stat");
  const auto nanoseconds = [&](const char* key) { return cgroup::value_of(stat, key) * 1000; };
  return {{"usage",
           {{"total", nanoseconds("usage_usec")},
            {"kernel", nanoseconds("system_usec")},
            {"user", nanoseconds("user_usec")}}},
          {"throttling",
           {{"periods", cgroup::value_of(stat, "nr_periods")},
            {"throttledPeriods", cgroup::value_of(stat, "nr_throttled")},
            {"throttledTime", nanoseconds("throttled_usec")}}}};
}

OrderedJson entry(std::uint64_t limit, std::uint64_t usage, std::uint64_t peak, std::uint64_t failures) {
  return {{"limit", limit}, {"usage", usage}, {"max", peak}, {"failcnt", failures}};
}

/// cgroup v1 counts memory and swap together.
OrderedJson memory_usage(const Text& text) {
  const std::string stat = text("memory.stat"), current = text("memory.current");
  const std::uint64_t used = number_of(current), limit = number_of(text("memory.max"));
  const std::uint64_t swap_limit = number_of(text("memory.swap.max"));
  const bool bounded = limit != UINT64_MAX && swap_limit != UINT64_MAX;
  OrderedJson raw = OrderedJson::object();
  const std::vector<std::string> words = cgroup::split_words(stat);
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) raw[words[i]] = number_of(words[i + 1]);
  return {{"cache", cgroup::value_of(stat, "file")},
          {"usage", entry(limit, used, number_of(text("memory.peak")), cgroup::value_of(text("memory.events"), "max"))},
          {"swap", entry(bounded ? limit + swap_limit : UINT64_MAX, used + number_of(text("memory.swap.current")), 0,
                         cgroup::value_of(text("memory.swap.events"), "fail"))},
          {"kernel", entry(0, cgroup::value_of(stat, "kernel"), 0, 0)},
          {"kernelTCP", entry(0, cgroup::value_of(stat, "sock"), 0, 0)},
          {"raw", raw}};
}

/// A line of io.stat for each device: "8:0 rbytes=1 wbytes=2 rios=3 …".
OrderedJson block_io(const Text& text) {
  struct Word {
    std::string_view key, list, operation;
  };
  constexpr Word known[] = {
      {"rbytes", "ioServiceBytesRecursive", "Read"},    {"wbytes", "ioServiceBytesRecursive", "Write"},
      {"dbytes", "ioServiceBytesRecursive", "Discard"}, {"rios", "ioServicedRecursive", "Read"},
      {"wios", "ioServicedRecursive", "Write"},         {"dios", "ioServicedRecursive", "Discard"}};
  OrderedJson lists = OrderedJson::object();
  std::uint64_t major = 0, minor = 0;
  for (const std::string& item : cgroup::split_words(text("io.stat"))) {
    const std::string_view view = item;
    const auto equals = view.find('='), colon = view.find(':');
    if (equals == std::string_view::npos && colon != std::string_view::npos) {
      major = number_of(view.substr(0, colon));
      minor = number_of(view.substr(colon + 1));
    }
    for (const Word& word : known) {
      if (equals == std::string_view::npos || view.substr(0, equals) != word.key) continue;
      lists[std::string(word.list)].push_back(
          {{"major", major}, {"minor", minor}, {"op", word.operation}, {"value", number_of(view.substr(equals + 1))}});
    }
  }
  return lists;
}

OrderedJson huge_pages(const Text& text) {
  OrderedJson sizes = OrderedJson::object();
  for (const char* size : {"64KB", "2MB", "32MB", "512MB", "1GB", "16GB"}) {  // of the architectures that have them
    const std::string prefix = std::string("hugetlb.") + size;
    const std::string current = text(prefix + ".current");
    if (current.empty()) continue;
    sizes[size] = {{"usage", number_of(current)}, {"failcnt", cgroup::value_of(text(prefix + ".events"), "max")}};
  }
  return sizes;
}

OrderedJson pids(const Text& text) {
  const std::uint64_t limit = number_of(text("pids.max"));
  return {{"current", number_of(text("pids.current"))}, {"limit", limit == UINT64_MAX ? 0 : limit}};
}

}  // namespace

OrderedJson stats_document(const std::string& id, const Text& text) {
  return {{"type", "stats"},
          {"id", id},
          {"data",
           {{"cpu", cpu_usage(text)},
            {"memory", memory_usage(text)},
            {"pids", pids(text)},
            {"blkio", block_io(text)},
            {"hugetlb", huge_pages(text)},
            {"intel_rdt", OrderedJson::object()},
            {"network_interfaces", nullptr}}}};
}

int parse_interval(const std::string& word) {
  struct Unit {
    std::string_view name;
    int milliseconds;
  };
  constexpr Unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  constexpr std::int64_t most = 24 * 3'600'000;
  std::int64_t total = 0;
  for (std::string_view rest = word; !rest.empty();) {
    unsigned count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::string_view name = rest.substr(0, std::min(rest.find_first_of("0123456789"), rest.size()));
    rest.remove_prefix(name.size());
    const Unit* unit = std::ranges::find(units, name, &Unit::name);
    if (error != std::errc{} || unit == std::end(units)) throw UsageError(fmt::format("invalid duration '{}'", word));
    total = std::min<std::int64_t>(most, total + std::int64_t{count} * unit->milliseconds);
  }
  if (total == 0) throw UsageError("duration interval must be greater than 0");
  return static_cast<int>(total);
}

}  // namespace sandbox::runtime
