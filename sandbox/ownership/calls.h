// The system calls that are answered, as data: the filter that asks for them, and what a notification means. Pure.
#pragma once

#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sandbox::ownership {

enum class Call {
  chown,
  lchown,
  fchown,
  fchownat,
  mknod,
  mknodat,
  setuid,
  setgid,
  setreuid,
  setregid,
  setresuid,
  setresgid,
  setfsuid,
  setfsgid,
  setgroups,
  getuid,
  geteuid,
  getgid,
  getegid,
  getresuid,
  getresgid,
  getgroups,
  keep_capabilities,  ///< prctl(2), PR_SET_KEEPCAPS
  setrlimit,
  prlimit,
  getsockopt,  ///< SO_PEERCRED
  open,
  openat,
  openat2,
  creat,
  mkdir,
  mkdirat,
  symlink,
  symlinkat,
  stat,
  lstat,
  fstat,
  newfstatat,
  statx,
};

/// A seccomp filter, as struct sock_filter[] bytes, that lets its listener answer the calls which `capabilities` (bit
/// n: capability n) entitle root to, and allows all others. `shows_owners`: also those that tell an object's owner. It
/// is loaded beside a container's own profile, whose denials come before it (seccomp(2)).
std::vector<std::byte> notifying_filter(std::uint64_t capabilities, bool shows_owners);

/// One call of a process that waits for its answer.
struct Asked {
  Call call{};
  bool native = true;   ///< Of our own architecture.
  bool narrow = false;  ///< Ids are 16 bits wide (the old calls of 32-bit systems).
};

/// Knows the numbers of the calls in the architectures that a filter lets through.
class CallNumbers {
 public:
  CallNumbers();
  /// nullptr: none that we ask for.
  const Asked* find(const seccomp_data& data) const;

 private:
  std::map<std::pair<std::uint32_t, int>, Asked> calls_;
};

}  // namespace sandbox::ownership
