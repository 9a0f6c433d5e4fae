// The front of a seccomp filter: what is always allowed, found by few instructions.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <set>
#include <vector>

namespace sandbox::profiles {

/// Instructions that allow the calls `numbers` of one architecture (AUDIT_ARCH_*, seccomp(2)) and leave every other call
/// to what follows them: a binary search over runs of neighbouring numbers. The kernel compiles each instruction at
/// each start of a process, and libseccomp's own search tree has three for each call.
std::vector<sock_filter> allow_at_once(std::uint32_t architecture, const std::set<std::uint32_t>& numbers);

}  // namespace sandbox::profiles
