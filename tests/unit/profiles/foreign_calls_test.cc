// The other doors of an x86_64 kernel: i386 and x32 numbers. The compiled programs are evaluated, so the verdicts
// don't depend on what the running kernel offers; that the kernel agrees is seen in seccomp_behaviour_test.cc.
#if defined(__x86_64__)
#include <doctest/doctest.h>
#include <linux/audit.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cerrno>

#include "profiles/capabilities.h"
#include "profiles/seccomp.h"
#include "sandbox/base/json.h"
#include "tests/support/bpf.h"

using namespace sandbox;
using namespace sandbox::profiles;

namespace {

constexpr std::uint32_t kAllowed = SECCOMP_RET_ALLOW;
constexpr std::uint32_t refused(std::uint32_t error) { return SECCOMP_RET_ERRNO | error; }

std::vector<std::byte> built_in(std::uint64_t capabilities) {
  return compile_seccomp(parse_json(default_seccomp_profile(), "built-in"), capabilities);
}

std::uint32_t verdict(const std::vector<std::byte>& program, std::uint32_t arch, int number, std::uint64_t first = 0,
                      std::uint64_t second = 0) {
  seccomp_data call{};
  call.nr = number;
  call.arch = arch;
  call.args[0] = first;
  call.args[1] = second;
  return testing::evaluate_filter(program, call);
}

}  // namespace

TEST_CASE("i386 numbers have the same rules as the kernel's own") {
  const auto program = built_in(default_capabilities());
  const auto i386 = [&](int number, std::uint64_t first = 0, std::uint64_t second = 0) {
    return verdict(program, AUDIT_ARCH_I386, number, first, second);
  };
  CHECK(i386(20) == kAllowed);         // getpid
  CHECK(i386(357) == refused(EPERM));  // bpf
  CHECK(i386(21) == refused(EPERM));   // mount
  CHECK(i386(9999) == refused(ENOSYS));
  CHECK(i386(359, 38, 5) == refused(EPERM));  // socket(AF_ALG)
  CHECK(i386(359, 2, 1) == kAllowed);         // socket(AF_INET)
  CHECK(i386(102, 1) == refused(EPERM));      // socketcall(SYS_SOCKET), whose family no filter can see
  CHECK(i386(102, 3) == refused(EPERM));      // socketcall(SYS_CONNECT)
  CHECK(i386(54, 0, TIOCSTI) == refused(EPERM));
  CHECK(i386(54, 0, TCGETS) == kAllowed);
  CHECK(i386(310, CLONE_NEWUSER) == refused(EPERM));  // unshare
  CHECK(i386(435) == refused(ENOSYS));                // clone3
}

TEST_CASE("an i386 number doesn't get the verdict that the same number has for x86_64") {
  const auto program = built_in(default_capabilities());
  // 165 is mount for x86_64 and getresuid for i386; 21 is access and mount.
  CHECK(verdict(program, AUDIT_ARCH_X86_64, 165) == refused(EPERM));
  CHECK(verdict(program, AUDIT_ARCH_I386, 165) == kAllowed);
  CHECK(verdict(program, AUDIT_ARCH_X86_64, 21) == kAllowed);
  CHECK(verdict(program, AUDIT_ARCH_I386, 21) == refused(EPERM));
}

TEST_CASE("x32 numbers and foreign architectures get ENOSYS for every call, whatever the profile's default") {
  const auto open_door = compile_seccomp(parse_json(R"({"defaultAction":"SCMP_ACT_ALLOW"})", "test"), 0);
  for (const auto& program : {built_in(default_capabilities()), built_in(all_capabilities()), open_door}) {
    for (int number = 0; number < 600; ++number) {
      CAPTURE(number);
      CHECK(verdict(program, AUDIT_ARCH_X86_64, 0x4000'0000 | number) == refused(ENOSYS));
      CHECK(verdict(program, AUDIT_ARCH_AARCH64, number) == refused(ENOSYS));
    }
    CHECK(verdict(program, AUDIT_ARCH_X86_64, SYS_getpid) == kAllowed);
  }
}
#endif
