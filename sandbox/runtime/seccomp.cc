#include "sandbox/runtime/seccomp.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <set>

#include "profiles/seccomp.h"
#include "sandbox/base/error.h"

namespace sandbox::runtime {
namespace {

std::uint32_t flag_bit(const std::string& name) {
  struct Word {
    std::string_view name;
    std::uint32_t bit;
  };
  // TSYNC means nothing to a process with one thread, and contradicts a listener (seccomp(2)).
  static constexpr Word words[] = {{"SECCOMP_FILTER_FLAG_TSYNC", 0},
                                   {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
                                   {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW}};
  const auto* found = std::ranges::find(words, name, &Word::name);
  if (found == std::end(words)) throw Unsupported(fmt::format("seccomp flag '{}' is not supported", name));
  return found->bit;
}

bool is_denial(const std::string& action) {
  return action.starts_with("SCMP_ACT_KILL") || action == "SCMP_ACT_ERRNO" || action == "SCMP_ACT_TRAP";
}

/// Calls that a rule without conditions denies.
std::set<std::string> denied_calls(const oci::Value& seccomp) {
  std::set<std::string> denied;
  for (const oci::Value& rule : seccomp.items("syscalls")) {
    if (!rule.items("args").empty() || !is_denial(rule.text("action"))) continue;
    for (std::string& name : rule.texts("names")) denied.insert(std::move(name));
  }
  return denied;
}

/// Engines allow calls and deny some of them in another rule, for want of a capability. libseccomp would keep the first
/// rule and drop the other without a word; here the denial stands, whichever comes first.
Json without_overruled(Json profile, const oci::Value& seccomp) {
  const std::set<std::string> denied = denied_calls(seccomp);
  Json kept = Json::array();
  for (const oci::Value& rule : seccomp.items("syscalls")) {
    Json copy = rule.json();
    std::vector<std::string> names = rule.texts("names");
    if (!names.empty() && rule.items("args").empty() && !is_denial(rule.text("action"))) {
      std::erase_if(names, [&](const std::string& name) { return denied.contains(name); });
      if (names.empty()) continue;
      copy["names"] = names;
    }
    kept.push_back(std::move(copy));
  }
  if (!kept.empty()) profile["syscalls"] = std::move(kept);
  return profile;
}

}  // namespace

void apply_seccomp(const oci::Linux& part, userns::ProcessPlan& process) {
  if (!part.seccomp) return;
  const oci::Value seccomp(*part.seccomp, "linux.seccomp");
  if (!seccomp.text("listenerPath").empty()) throw Unsupported("linux.seccomp.listenerPath is not supported");
  for (const std::string& flag : seccomp.texts("flags")) process.seccomp_flags |= flag_bit(flag);
  process.seccomp = profiles::compile_seccomp(without_overruled(*part.seccomp, seccomp), process.capabilities);
}

}  // namespace sandbox::runtime
