// See calls.h.
#include "sandbox/ownership/calls.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <span>
#include <string_view>

#include "profiles/seccomp.h"
#include "sandbox/base/json.h"

namespace sandbox::ownership {
namespace {

constexpr unsigned kDevices[] = {S_IFCHR, S_IFBLK}, kOthers[] = {0, S_IFREG, S_IFIFO, S_IFSOCK},
                   kKeep[] = {PR_SET_KEEPCAPS}, kNumber[] = {RLIMIT_RTTIME}, kPeer[] = {SO_PEERCRED},
                   kNew[] = {O_CREAT}, kUnnamed[] = {O_TMPFILE};

// What calls are about that root needs no capability for.
constexpr int kIds = -1;     ///< Ids that a process has, or what it makes with them: asked where it can have others.
constexpr int kOwners = -2;  ///< Owners shown.

struct Row {
  Call call;
  const char* name;
  const char* wide;                 ///< Its name on 32-bit systems, where `name` has ids of 16 bits; nullptr: the same.
  int capability;                   ///< That root needs for it, or one of the above.
  unsigned argument = 0, mask = 0;  ///< It asks when this argument, so masked, has
  std::span<const unsigned> values = {};  ///< one of these values; always when there are none.
};

constexpr Row kRows[] = {
    {Call::chown, "chown", "chown32", CAP_CHOWN},
    {Call::lchown, "lchown", "lchown32", CAP_CHOWN},
    {Call::fchown, "fchown", "fchown32", CAP_CHOWN},
    {Call::fchownat, "fchownat", nullptr, CAP_CHOWN},
    {Call::mknod, "mknod", nullptr, CAP_MKNOD, 1, S_IFMT, kDevices},
    {Call::mknodat, "mknodat", nullptr, CAP_MKNOD, 2, S_IFMT, kDevices},
    {Call::setuid, "setuid", "setuid32", CAP_SETUID},
    {Call::setgid, "setgid", "setgid32", CAP_SETGID},
    {Call::setreuid, "setreuid", "setreuid32", CAP_SETUID},
    {Call::setregid, "setregid", "setregid32", CAP_SETGID},
    {Call::setresuid, "setresuid", "setresuid32", CAP_SETUID},
    {Call::setresgid, "setresgid", "setresgid32", CAP_SETGID},
    {Call::setfsuid, "setfsuid", "setfsuid32", CAP_SETUID},
    {Call::setfsgid, "setfsgid", "setfsgid32", CAP_SETGID},
    {Call::setgroups, "setgroups", "setgroups32", CAP_SETGID},
    {Call::getuid, "getuid", "getuid32", kIds},
    {Call::geteuid, "geteuid", "geteuid32", kIds},
    {Call::getgid, "getgid", "getgid32", kIds},
    {Call::getegid, "getegid", "getegid32", kIds},
    {Call::getresuid, "getresuid", "getresuid32", kIds},
    {Call::getresgid, "getresgid", "getresgid32", kIds},
    {Call::getgroups, "getgroups", "getgroups32", kIds},
    {Call::keep_capabilities, "prctl", nullptr, kIds, 0, UINT32_MAX, kKeep},
    {Call::mknod, "mknod", nullptr, kIds, 1, S_IFMT, kOthers},
    {Call::mknodat, "mknodat", nullptr, kIds, 2, S_IFMT, kOthers},
    {Call::setrlimit, "setrlimit", nullptr, kIds, 0, UINT32_MAX, kNumber},
    {Call::prlimit, "prlimit64", nullptr, kIds, 1, UINT32_MAX, kNumber},
    {Call::getsockopt, "getsockopt", nullptr, kIds, 2, UINT32_MAX, kPeer},
    {Call::open, "open", nullptr, kIds, 1, O_CREAT, kNew},
    {Call::open, "open", nullptr, kIds, 1, O_TMPFILE, kUnnamed},
    {Call::openat, "openat", nullptr, kIds, 2, O_CREAT, kNew},
    {Call::openat, "openat", nullptr, kIds, 2, O_TMPFILE, kUnnamed},
    {Call::openat2, "openat2", nullptr, kIds},  // its flags are in memory
    {Call::creat, "creat", nullptr, kIds},
    {Call::mkdir, "mkdir", nullptr, kIds},
    {Call::mkdirat, "mkdirat", nullptr, kIds},
    {Call::symlink, "symlink", nullptr, kIds},
    {Call::symlinkat, "symlinkat", nullptr, kIds},
    {Call::stat, "stat", nullptr, kOwners},
    {Call::lstat, "lstat", nullptr, kOwners},
    {Call::fstat, "fstat", nullptr, kOwners},
    {Call::newfstatat, "newfstatat", nullptr, kOwners},
    {Call::statx, "statx", nullptr, kOwners},
};

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

Json rule(const Row& row) {
  Json names = Json::array({row.name});
  if (row.wide != nullptr) names.push_back(row.wide);
  return {{"names", std::move(names)}, {"action", "SCMP_ACT_NOTIFY"}};
}

#if defined(__x86_64__)
constexpr std::uint32_t kNative = SCMP_ARCH_X86_64, kNarrow = SCMP_ARCH_X86;
#else
constexpr std::uint32_t kNative = SCMP_ARCH_AARCH64, kNarrow = SCMP_ARCH_ARM;
#endif

}  // namespace

std::vector<std::byte> notifying_filter(std::uint64_t capabilities, bool shows_owners) {
  const auto is_asked = [&](int capability) {
    if (capability == kOwners) return shows_owners;
    return (capabilities & (capability == kIds ? bit(CAP_SETUID) | bit(CAP_SETGID) : bit(capability))) != 0;
  };
  Json rules = Json::array();
  for (const Row& row : kRows) {
    if (!is_asked(row.capability)) continue;
    Json one = rule(row);
    if (row.values.empty()) rules.push_back(one);
    for (const unsigned value : row.values) {
      one["args"] = Json::array(
          {{{"index", row.argument}, {"value", row.mask}, {"valueTwo", value}, {"op", "SCMP_CMP_MASKED_EQ"}}});
      rules.push_back(one);
    }
  }
  return profiles::compile_seccomp({{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", std::move(rules)}}, capabilities);
}

CallNumbers::CallNumbers() {
  const auto add = [&](std::uint32_t architecture, const char* name, Asked asked) {
    const int number = ::seccomp_syscall_resolve_name_arch(architecture, name);
    if (number >= 0) calls_[{architecture, number}] = asked;  // negative: it has no such call
  };
  for (const Row& row : kRows) {
    add(kNative, row.name, {row.call, true, false});
    add(kNarrow, row.name, {row.call, false, row.wide != nullptr});
    if (row.wide != nullptr) add(kNarrow, row.wide, {row.call, false, false});
  }
}

const Asked* CallNumbers::find(const seccomp_data& data) const {
  const auto found = calls_.find({data.arch, data.nr});
  return found == calls_.end() ? nullptr : &found->second;
}

}  // namespace sandbox::ownership
