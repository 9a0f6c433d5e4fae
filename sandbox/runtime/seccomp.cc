#include "sandbox/runtime/seccomp.h"

#include <linux/seccomp.h>

#include <algorithm>

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

}  // namespace

void apply_seccomp(const oci::Linux& part, userns::ProcessPlan& process) {
  if (!part.seccomp) return;
  const oci::Value seccomp(*part.seccomp, "linux.seccomp");
  if (!seccomp.text("listenerPath").empty()) throw Unsupported("linux.seccomp.listenerPath is not supported");
  for (const std::string& flag : seccomp.texts("flags")) process.seccomp_flags |= flag_bit(flag);
  process.seccomp = profiles::compile_seccomp(*part.seccomp, process.capabilities);
}

}  // namespace sandbox::runtime
