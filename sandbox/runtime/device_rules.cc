#include "sandbox/runtime/device_rules.h"

#include <sys/sysmacros.h>

#include <algorithm>

#include "profiles/capabilities.h"
#include "sandbox/base/json.h"
#include "sandbox/oci/document.h"
#include "sandbox/runtime/plan.h"

namespace sandbox::runtime {
namespace {

using cgroup::DeviceRule;
using cgroup::DeviceType;
using oci::Value;

DeviceType type_of(const Value& entry) {
  const std::string word = entry.text("type");
  if (word.empty() || word == "a") return DeviceType::any;
  if (word == "c" || word == "u") return DeviceType::character;
  if (word != "b") entry.at("type").fail("is none of a, b, c");
  return DeviceType::block;
}

/// Absent, or negative: every number.
std::optional<std::uint32_t> number_of(const Value& entry, const char* key) {
  const auto number = entry.integer<std::int64_t>(key);
  if (!number || *number < 0) return std::nullopt;
  if (!std::in_range<std::uint32_t>(*number)) entry.at(key).fail("is no device number");
  return static_cast<std::uint32_t>(*number);
}

std::uint32_t access_of(const Value& entry) {
  std::uint32_t access = 0;
  for (const char letter : entry.text("access")) {
    const std::size_t bit = std::string_view("mrw").find(letter);
    if (bit == std::string_view::npos) entry.at("access").fail("has other letters than r, w, m");
    access |= 1U << bit;
  }
  return access == 0 ? cgroup::kAllAccess : access;
}

std::vector<DeviceRule> parse_rules(const Json& resources, std::string_view what) {
  std::vector<DeviceRule> rules;
  if (!resources.is_object()) return rules;
  for (const Value& entry : Value(resources, what, "linux.resources").items("devices")) {
    rules.push_back({entry.boolean("allow"), type_of(entry), number_of(entry, "major"), number_of(entry, "minor"),
                     access_of(entry)});
  }
  return rules;
}

void add_usual_devices(std::vector<DeviceRule>& rules) {
  struct Number {
    std::uint32_t major;
    std::optional<std::uint32_t> minor;
  };
  // null, zero, full, random, urandom, tty, console, ptmx, pseudo-terminals (devices.txt of the kernel)
  constexpr Number usable[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, {}}};
  rules.push_back({.allow = true, .access = cgroup::kMakeNode});
  for (const Number& number : usable) rules.push_back({true, DeviceType::character, number.major, number.minor});
}

/// Whether, of the rules that decide, none denies anything.
bool allow_everything(const std::vector<DeviceRule>& rules) {
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    if (!rule->allow) return false;
    if (*rule == DeviceRule{.allow = true}) return true;
  }
  return false;
}

bool may_load_programs(const Caller& caller) {
  const auto has = [&](const char* name) { return (caller.capabilities & profiles::capability_bit(name)) != 0; };
  return caller.initial_namespace && (has("CAP_SYS_ADMIN") || (has("CAP_BPF") && has("CAP_NET_ADMIN")));
}

bool has_user_namespace(const userns::LaunchPlan& launch) {
  return launch.namespaces.user || std::ranges::find(launch.namespaces.joined, userns::NamespaceKind::user,
                                                     &userns::JoinedNamespace::kind) != launch.namespaces.joined.end();
}

}  // namespace

DeviceGuard plan_device_guard(const Json& resources, std::string_view what, const userns::LaunchPlan& launch,
                              const Caller& caller) {
  DeviceGuard guard;
  std::vector<DeviceRule> rules = parse_rules(resources, what);
  guard.asked_for = !rules.empty();
  const bool of_host = caller.initial_namespace && !has_user_namespace(launch);
  if (allow_everything(rules)) {
    guard.open = of_host;
    return guard;
  }
  const bool makes_nodes = of_host && (launch.process.capabilities & profiles::capability_bit("CAP_MKNOD")) != 0;
  guard.required = guard.asked_for && makes_nodes;
  if (!may_load_programs(caller) || (!guard.asked_for && !of_host)) return guard;
  add_usual_devices(rules);
  guard.rules = std::move(rules);
  return guard;
}

}  // namespace sandbox::runtime
