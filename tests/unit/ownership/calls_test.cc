#include "sandbox/ownership/calls.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/support/bpf.h"

using namespace sandbox::ownership;

namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

std::uint32_t verdict(std::uint64_t capabilities, long call, std::uint64_t first = 0, std::uint64_t second = 0,
                      std::uint64_t third = 0, bool shows_owners = false) {
  seccomp_data data{.nr = static_cast<int>(call), .args = {first, second, third}};
#if defined(__x86_64__)
  data.arch = AUDIT_ARCH_X86_64;
#else
  data.arch = AUDIT_ARCH_AARCH64;
#endif
  return sandbox::testing::evaluate_filter(notifying_filter(capabilities, shows_owners), data);
}

}  // namespace

TEST_CASE("calls that change owners and ids ask, others don't") {
  for (const long call :
       {SYS_fchown, SYS_fchownat, SYS_setuid, SYS_setresgid, SYS_setgroups, SYS_getuid, SYS_getgroups, SYS_mkdirat}) {
    CHECK(verdict(kAll, call) == SECCOMP_RET_USER_NOTIF);
  }
  for (const long call : {SYS_read, SYS_openat, SYS_newfstatat, SYS_execve, SYS_sendmsg, SYS_seccomp}) {
    CHECK(verdict(kAll, call) == SECCOMP_RET_ALLOW);
  }
}

TEST_CASE("of files that are opened only new ones ask") {
  for (const int flags : {O_RDONLY, O_RDWR | O_TRUNC, O_DIRECTORY, O_PATH, O_EXCL | O_CLOEXEC}) {
    CHECK(verdict(kAll, SYS_openat, 0, 0, static_cast<unsigned>(flags)) == SECCOMP_RET_ALLOW);
  }
  for (const int flags : {O_CREAT, O_WRONLY | O_CREAT | O_TRUNC, O_TMPFILE | O_RDWR}) {
    CHECK(verdict(kAll, SYS_openat, 0, 0, static_cast<unsigned>(flags)) == SECCOMP_RET_USER_NOTIF);
  }
  CHECK(verdict(bit(CAP_CHOWN), SYS_openat, 0, 0, O_CREAT) == SECCOMP_RET_ALLOW);  // nobody can become another
}

TEST_CASE("who is at the other end of a socket is asked about, and nothing else of sockets") {
  CHECK(verdict(kAll, SYS_getsockopt, 3, SOL_SOCKET, SO_PEERCRED) == SECCOMP_RET_USER_NOTIF);
  CHECK(verdict(kAll, SYS_getsockopt, 3, SOL_SOCKET, SO_ERROR) == SECCOMP_RET_ALLOW);
}

TEST_CASE("owners are asked about where they are to be shown") {
  for (const long call : {SYS_fstat, SYS_newfstatat, SYS_statx}) {
    CHECK(verdict(kAll, call) == SECCOMP_RET_ALLOW);
    CHECK(verdict(0, call, 0, 0, 0, true) == SECCOMP_RET_USER_NOTIF);
  }
}

TEST_CASE("devices ask where the container can make some, other nodes where it can have other ids") {
  for (const unsigned type : {unsigned{S_IFREG}, unsigned{S_IFIFO}, unsigned{S_IFSOCK}, 0U}) {
    CHECK(verdict(kAll, SYS_mknodat, 0, 0, type | 0600) == SECCOMP_RET_USER_NOTIF);
    CHECK(verdict(bit(CAP_MKNOD), SYS_mknodat, 0, 0, type | 0600) == SECCOMP_RET_ALLOW);
  }
  for (const std::uint64_t type : {S_IFCHR, S_IFBLK}) {
    CHECK(verdict(kAll, SYS_mknodat, 0, 0, type | 0600) == SECCOMP_RET_USER_NOTIF);
    CHECK(verdict(kAll, SYS_mknodat, 0, 0, type | 07777) == SECCOMP_RET_USER_NOTIF);
  }
}

TEST_CASE("of what prctl(2) does only the one thing asks") {
  CHECK(verdict(kAll, SYS_prctl, PR_SET_KEEPCAPS, 1) == SECCOMP_RET_USER_NOTIF);
  CHECK(verdict(kAll, SYS_prctl, PR_SET_NAME, 1) == SECCOMP_RET_ALLOW);
}

TEST_CASE("a capability that the container lacks is not played") {
  CHECK(verdict(kAll & ~bit(CAP_CHOWN), SYS_fchown) == SECCOMP_RET_ALLOW);
  CHECK(verdict(kAll & ~bit(CAP_CHOWN), SYS_setuid) == SECCOMP_RET_USER_NOTIF);
  CHECK(verdict(kAll & ~bit(CAP_SETUID), SYS_setuid) == SECCOMP_RET_ALLOW);
  CHECK(verdict(kAll & ~bit(CAP_MKNOD), SYS_mknodat, 0, 0, S_IFCHR) == SECCOMP_RET_ALLOW);
  CHECK(verdict(bit(CAP_CHOWN), SYS_getuid) == SECCOMP_RET_ALLOW);
  CHECK(verdict(0, SYS_fchown) == SECCOMP_RET_ALLOW);
}

TEST_CASE("a number means its call, in each architecture") {
  const CallNumbers numbers;
#if defined(__x86_64__)
  const auto find = [&](std::uint32_t arch, int number) { return numbers.find({.nr = number, .arch = arch}); };
  CHECK(find(AUDIT_ARCH_X86_64, SYS_chown)->call == Call::chown);
  CHECK_FALSE(find(AUDIT_ARCH_X86_64, SYS_chown)->narrow);
  CHECK(find(AUDIT_ARCH_I386, 182)->call == Call::chown);
  CHECK(find(AUDIT_ARCH_I386, 182)->narrow);
  CHECK(find(AUDIT_ARCH_I386, 212)->call == Call::chown);  // chown32
  CHECK_FALSE(find(AUDIT_ARCH_I386, 212)->narrow);
  CHECK_FALSE(find(AUDIT_ARCH_I386, 298)->narrow);  // fchownat
#endif
  CHECK(numbers.find({.nr = SYS_read, .arch = AUDIT_ARCH_X86_64}) == nullptr);
}
