// The front of a seccomp filter: what can be decided by a call's number alone, found by few instructions.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace sandbox::profiles {

/// Of one architecture. `newest`: calls of greater numbers do not exist (ENOSYS), as on a kernel that is as old as the
/// profile: a C library tries the calls that it knew before then, and takes EPERM for an answer.
struct ByNumber {
  std::set<std::uint32_t> allowed;
  std::optional<std::uint32_t> newest;
};

/// Instructions that decide so for the calls of one architecture (AUDIT_ARCH_*, seccomp(2)) and leave every other call to
/// what follows them: a binary search over runs of neighbouring numbers. The kernel compiles each instruction at each
/// start of a process, and libseccomp's own search tree has three for each call.
std::vector<sock_filter> decide_at_once(std::uint32_t architecture, const ByNumber& calls);

}  // namespace sandbox::profiles
