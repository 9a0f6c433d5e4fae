#include "sandbox/runtime/seccomp.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <set>

#include "profiles/seccomp.h"
#include "sandbox/base/error.h"

namespace sandbox::runtime {
namespace {

struct Flag {
  std::string_view name;
  std::uint32_t bit;
  bool of_listener;  ///< Means nothing, and is refused by the kernel, without a listener (seccomp(2)).
};
// TSYNC means nothing to a process with one thread, and contradicts a listener.
constexpr Flag known_flags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", 0, false},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG, false},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW, false},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, true}};

// Every filter covers the machine's own architecture and its 32-bit one, and denies all others (profiles/seccomp.cc),
// whichever of these are named.
constexpr std::string_view known_architectures[] = {
    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",       "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",     "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",  "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",      "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64",  "SCMP_ARCH_PPC",         "SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390",      "SCMP_ARCH_S390X",       "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB",
    "SCMP_ARCH_X32",     "SCMP_ARCH_X86",       "SCMP_ARCH_X86_64"};

constexpr const char* fail_unknown_annotation = "run.oci.seccomp_fail_unknown_syscall";
constexpr const char* raw_filter_annotation = "run.oci.seccomp_bpf_data";

std::uint32_t flag_bits(const oci::Value& seccomp, bool listener) {
  std::uint32_t bits = listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  for (const oci::Value& item : seccomp.items("flags")) {
    const auto* flag = std::ranges::find(known_flags, item.text(), &Flag::name);
    if (flag == std::end(known_flags)) item.fail(fmt::format("is the unknown flag \"{}\"", item.text()));
    if (listener || !flag->of_listener) bits |= flag->bit;
  }
  return bits;
}

void check_architectures(const oci::Value& seccomp) {
  for (const oci::Value& item : seccomp.items("architectures")) {
    if (std::ranges::find(known_architectures, item.text()) == std::end(known_architectures)) {
      item.fail(fmt::format("is the unknown architecture \"{}\"", item.text()));
    }
  }
}

bool notifies(const oci::Value& seccomp) {
  constexpr std::string_view notify = "SCMP_ACT_NOTIFY";
  return seccomp.text("defaultAction") == notify ||
         std::ranges::any_of(seccomp.items("syscalls"),
                             [](const oci::Value& rule) { return rule.text("action") == notify; });
}

void check_listener(const oci::Value& seccomp) {
  const std::string path = seccomp.text("listenerPath");
  if (!path.empty() && !path.starts_with('/')) seccomp.at("listenerPath").fail("is not an absolute path");
  if (path.empty() && !seccomp.text("listenerMetadata").empty()) {
    seccomp.at("listenerMetadata").fail("is given without listenerPath");
  }
  if (path.empty() && notifies(seccomp)) seccomp.fail("has SCMP_ACT_NOTIFY, and no listenerPath");
}

/// Annotations come from images and orders of strangers: a filter in one, which takes the place of the configuration's
/// own with other runtimes, could open what that closes.
void refuse_raw_filter(const oci::RuntimeSpec& spec) {
  if (!spec.annotations.contains(raw_filter_annotation)) return;
  throw Unsupported(fmt::format("annotation '{}' would replace the filter of linux.seccomp", raw_filter_annotation),
                    "describe the filter in linux.seccomp");
}

profiles::UnknownCalls unknown_calls(const oci::RuntimeSpec& spec) {
  const auto asked = spec.annotations.find(fail_unknown_annotation);
  return asked == spec.annotations.end() || asked->second == "0" ? profiles::UnknownCalls::ignored
                                                                 : profiles::UnknownCalls::refused;
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
/// rule and drop the other without a word; here the denial stands, whichever comes first. Conditions of Docker's own
/// profiles, which engines have evaluated, mean nothing in config.json.
Json without_overruled(Json profile, const oci::Value& seccomp) {
  const std::set<std::string> denied = denied_calls(seccomp);
  Json kept = Json::array();
  for (const oci::Value& rule : seccomp.items("syscalls")) {
    Json copy = rule.json();
    for (const char* condition : {"includes", "excludes"}) copy.erase(condition);
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

bool has_listener(const oci::Linux& part) {
  if (!part.seccomp) return false;
  const oci::Value seccomp(*part.seccomp, "linux.seccomp");
  return !seccomp.text("listenerPath").empty() && notifies(seccomp);
}

std::uint32_t seccomp_flags(const oci::Linux& part) {
  return part.seccomp ? flag_bits(oci::Value(*part.seccomp, "linux.seccomp"), has_listener(part)) : 0;
}

Filter seccomp_filter(const oci::RuntimeSpec& spec, const std::string& filters) {
  refuse_raw_filter(spec);
  const oci::Linux& part = spec.linux_part;
  if (!part.seccomp) return {};
  const oci::Value seccomp(*part.seccomp, "linux.seccomp");
  check_listener(seccomp);
  check_architectures(seccomp);
  const profiles::UnknownCalls unknown = unknown_calls(spec);
  const std::string source = fmt::format("{}\n{}", static_cast<int>(unknown), part.seccomp->dump());
  constexpr std::uint64_t no_capabilities = 0;  // only conditions ask for them
  return cached_filter(filters, source, [&] {
    return profiles::compile_seccomp(without_overruled(*part.seccomp, seccomp), no_capabilities, unknown);
  });
}

void apply_seccomp(const oci::RuntimeSpec& spec, userns::ProcessPlan& process, const std::string& filters) {
  process.seccomp = seccomp_filter(spec, filters);
  process.seccomp_flags = seccomp_flags(spec.linux_part);
}

std::vector<std::string> seccomp_flag_names() {
  std::vector<std::string> names;
  for (const Flag& flag : known_flags) names.emplace_back(flag.name);
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> seccomp_architectures() {
  return {std::begin(known_architectures), std::end(known_architectures)};
}

}  // namespace sandbox::runtime
