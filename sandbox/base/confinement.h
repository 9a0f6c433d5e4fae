// What a helper process gives up before it serves others: capabilities, files (Landlock), system calls
// (seccomp). Everything here is for good, and for the process that calls it.
#pragma once

#include <seccomp.h>

#include <array>
#include <cstdint>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

namespace sandbox {

/// Whether a sanitizer watches this build: its own work in a helper needs more than the helper itself may do.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// Keeps the capabilities in `kept` (bit n: capability n) as permitted and effective ones; no others, no ambient.
void keep_capabilities(std::uint64_t kept);

/// no_new_privs, no core dump, and unreadable to other processes of the user.
void forbid_gain();

/// Landlock: files may be used below the allowed places only. Nothing happens where the kernel has no
/// Landlock, or one older than `least_abi`.
class PathRules {
 public:
  explicit PathRules(long least_abi);
  /// Rights that this kernel knows out of LANDLOCK_ACCESS_FS_*; for reading alone, or all.
  std::uint64_t reading() const;
  std::uint64_t everything() const { return rights_; }
  void allow(int fd, std::uint64_t rights) const;
  void apply() const;

 private:
  std::uint64_t rights_ = 0;
  Fd ruleset_;
};

/// A seccomp filter that answers every system call that isn't listed with `otherwise` (SCMP_ACT_*).
class CallFilter {
 public:
  explicit CallFilter(std::uint32_t otherwise);
  template <class... Comparisons>
  void add(std::uint32_t action, int call, Comparisons... comparisons) {
    const std::array<scmp_arg_cmp, sizeof...(Comparisons)> list{comparisons...};
    add_rule(action, call, list.data(), sizeof...(Comparisons));
  }
  /// `all_threads`: those that run already, too.
  void load(bool all_threads);

 private:
  void add_rule(std::uint32_t action, int call, const scmp_arg_cmp* list, std::size_t size);
  std::unique_ptr<void, decltype(&::seccomp_release)> context_;
};

inline scmp_arg_cmp argument_is(unsigned number, std::uint64_t value) { return {number, SCMP_CMP_EQ, value, 0}; }
inline scmp_arg_cmp argument_lacks(unsigned number, std::uint64_t bits) {
  return {number, SCMP_CMP_MASKED_EQ, bits, 0};
}

}  // namespace sandbox
