// What the kernel does under compiled programs. Every attempt runs in a child of its own, which
// reports the error number of one call.
#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>

#include "profiles/capabilities.h"
#include "profiles/seccomp.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::profiles;

namespace {

constexpr int not_loaded = 250;
constexpr int died = 251;

/// The error number (0: success) of `attempt` under `program`.
int outcome(const std::vector<std::byte>& program, const std::function<long()>& attempt) {
  std::vector<sock_filter> filter(program.size() / sizeof(sock_filter));
  std::memcpy(filter.data(), program.data(), program.size());
  const pid_t child = ::fork();
  if (child == 0) {
    sock_fprog code{static_cast<unsigned short>(filter.size()), filter.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) != 0) {
      ::_exit(not_loaded);
    }
    ::_exit(attempt() < 0 ? errno : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : died;
}

const std::vector<std::byte>& built_in(std::uint64_t capabilities) {
  static std::map<std::uint64_t, std::vector<std::byte>> programs;
  auto& program = programs[capabilities];
  if (program.empty()) program = compile_seccomp(parse_json(default_seccomp_profile(), "built-in"), capabilities);
  return program;
}

template <class... Args>
int call(long number, Args... args) {
  return outcome(built_in(default_capabilities()), [=] { return ::syscall(number, static_cast<long>(args)...); });
}

template <class... Args>
int call_with(const char* capability, long number, Args... args) {
  return outcome(built_in(default_capabilities() | capability_bit(capability)),
                 [=] { return ::syscall(number, static_cast<long>(args)...); });
}

}  // namespace

TEST_CASE("ordinary calls work under the built-in profile") {
  CHECK(call(SYS_getpid) == 0);
  CHECK(call(SYS_socket, AF_INET, SOCK_STREAM, 0) == 0);
  CHECK(call(SYS_socket, AF_UNIX, SOCK_STREAM, 0) == 0);
  CHECK(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0) == 0);
  CHECK(call(SYS_unshare, CLONE_FILES) == 0);
  CHECK(outcome(built_in(default_capabilities()), [] {
          const pid_t child = ::fork();
          if (child == 0) ::_exit(0);
          return child;
        }) == 0);
}

TEST_CASE("dangerous calls get EPERM") {
  CHECK(call(SYS_bpf, 0, 0, 0) == EPERM);
  CHECK(call(SYS_keyctl, 0, 0, 0) == EPERM);
  CHECK(call(SYS_io_uring_setup, 1, 0) == EPERM);
  CHECK(call(SYS_userfaultfd, 0) == EPERM);
  CHECK(call(SYS_perf_event_open, 0, 0, 0, 0, 0) == EPERM);
  CHECK(call(SYS_open_by_handle_at, -1, 0, 0) == EPERM);
  CHECK(call(SYS_mount, 0, 0, 0, 0, 0) == EPERM);
  CHECK(call(SYS_setns, -1, 0) == EPERM);
}

TEST_CASE("unknown calls get ENOSYS, so that C libraries fall back") {
  CHECK(call(9999) == ENOSYS);
  CHECK(call(SYS_clone3, 0, 0) == ENOSYS);
}

TEST_CASE("AF_ALG and AF_VSOCK are denied, also with rubbish in the upper half of the argument") {
  CHECK(call(SYS_socket, 38, SOCK_SEQPACKET, 0) == EPERM);
  CHECK(call(SYS_socket, 40, SOCK_STREAM, 0) == EPERM);
  CHECK(call(SYS_socket, 0x1'0000'0026L, SOCK_SEQPACKET, 0) == EPERM);
  for (const int family : {37, 39, 41, 42, 44, 45, 47, 48, 63}) {
    CAPTURE(family);
    const int error = call(SYS_socket, family, 99, 0);
    CHECK(error != EPERM);
    CHECK(error != ENOSYS);
  }
}

TEST_CASE("only TIOCSTI and TIOCLINUX are denied of all ioctl requests") {
  CHECK(call(SYS_ioctl, -1, TIOCSTI, 0) == EPERM);
  CHECK(call(SYS_ioctl, -1, TIOCLINUX, 0) == EPERM);
  CHECK(call(SYS_ioctl, -1, 0x1'0000'5412L, 0) == EPERM);
  for (long request = 0x5400; request < 0x5430; ++request) {
    if (request == TIOCSTI || request == TIOCLINUX) continue;
    CAPTURE(request);
    CHECK(call(SYS_ioctl, -1, request, 0) == EBADF);
  }
  for (int bit = 4; bit < 32; ++bit) {
    CAPTURE(bit);
    CHECK(call(SYS_ioctl, -1, TIOCSTI ^ (1L << bit), 0) == EBADF);
  }
}

TEST_CASE("personality is limited to harmless domains") {
  CHECK(call(SYS_personality, 0xffffffffL) == 0);
  CHECK(call(SYS_personality, 0) == 0);
  CHECK(call(SYS_personality, 0x0040000L) == ENOSYS);  // ADDR_NO_RANDOMIZE
}

TEST_CASE("new namespaces need CAP_SYS_ADMIN in the set") {
  for (const long flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
                          CLONE_NEWCGROUP, CLONE_NEWTIME}) {
    CAPTURE(flag);
    CHECK(call(SYS_unshare, flag) == EPERM);
    if (flag != CLONE_NEWTIME) CHECK(call(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0) == EPERM);
  }
  CHECK(call(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS | CLONE_FILES) == EPERM);
  // The kernel's own answers, which differ from the filter's: no flag of that name, no such buffer.
  CHECK(call_with("SYS_ADMIN", SYS_unshare, 1) == EINVAL);
  CHECK(call_with("SYS_ADMIN", SYS_unshare, CLONE_NEWUSER) != ENOSYS);
  CHECK(call_with("SYS_ADMIN", SYS_clone3, 0, 0) == EINVAL);
  CHECK(call_with("SYS_ADMIN", SYS_setns, -1, 0) == EBADF);
}

TEST_CASE("an argument list that repeats an index is a list of alternatives") {
  const auto program = compile_seccomp(parse_json(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
    {"names":["getpgid"],"action":"SCMP_ACT_ERRNO","errnoRet":42,"args":[
      {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]}]})",
                                                  "test"),
                                       0);
  CHECK(outcome(program, [] { return ::syscall(SYS_getpgid, 1); }) == 42);
  CHECK(outcome(program, [] { return ::syscall(SYS_getpgid, 2); }) == 42);
  CHECK(outcome(program, [] { return ::syscall(SYS_getpgid, 0); }) == 0);
}

TEST_CASE("includes and excludes select by architecture and kernel") {
  const auto error = [](const char* condition) {
    const Json profile = parse_json(fmt::format(R"({{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
      {{"names":["getpgid"],"action":"SCMP_ACT_ERRNO","errnoRet":42,{}}}]}})",
                                                condition),
                                    "test");
    return outcome(compile_seccomp(profile, capability_bit("KILL")), [] { return ::syscall(SYS_getpgid, 0); });
  };
  CHECK(error(R"("includes":{"arches":["amd64","arm64"]})") == 42);
  CHECK(error(R"("includes":{"arches":["s390x"]})") == 0);
  CHECK(error(R"("excludes":{"arches":["amd64","arm64"]})") == 0);
  CHECK(error(R"("includes":{"minKernel":"4.8"})") == 42);
  CHECK(error(R"("includes":{"minKernel":"999.0"})") == 0);
  CHECK(error(R"("excludes":{"minKernel":"4.8"})") == 0);
  CHECK(error(R"("includes":{"caps":["CAP_KILL"]})") == 42);
  CHECK(error(R"("includes":{"caps":["CAP_KILL","CAP_CHOWN"]})") == 0);
  CHECK(error(R"("excludes":{"caps":["CAP_KILL","CAP_CHOWN"]})") == 0);
}

#if defined(__x86_64__)
namespace {

/// A call by the i386 door of a 64-bit process; -errno on failure.
long call_i386(long number, long first = 0, long second = 0) {
  long result = 0;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(first), "c"(second), "d"(0L)
               : "memory", "r8", "r9", "r10", "r11");
  if (result >= -4095 && result < 0) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

int outcome_i386(long number, long first = 0, long second = 0) {
  return outcome(built_in(default_capabilities()), [=] { return call_i386(number, first, second); });
}

}  // namespace

// foreign_calls_test.cc has the verdicts; here the kernel obeys them, where it has i386 calls at all. Without them
// (no CONFIG_IA32_EMULATION) "int 0x80" must be fatal, so that there is no door to guard.
TEST_CASE("the kernel's i386 door has the same rules, or is none") {
  const pid_t probe = ::fork();
  if (probe == 0) ::signal(SIGSEGV, SIG_DFL);  // Not the test framework's handler, which would report a failure.
  if (probe == 0) ::_exit(call_i386(20) == ::getpid() ? 0 : 1);
  int status = 0;
  ::waitpid(probe, &status, 0);
  if (status != 0) {
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSEGV);
    return;
  }
  CHECK(outcome_i386(20) == 0);       // getpid
  CHECK(outcome_i386(357) == EPERM);  // bpf
  CHECK(outcome_i386(9999) == ENOSYS);
  CHECK(outcome_i386(359, 38, 5) == EPERM);  // socket(AF_ALG)
  CHECK(outcome_i386(359, 2, 1) == 0);       // socket(AF_INET)
  CHECK(outcome_i386(102, 1, 0) == EPERM);   // socketcall(SYS_SOCKET)
  CHECK(outcome_i386(102, 3, 0) == EPERM);   // socketcall(SYS_CONNECT)
  CHECK(outcome_i386(54, -1, TIOCSTI) == EPERM);
  CHECK(outcome_i386(54, -1, TCGETS) == EBADF);
  CHECK(outcome_i386(310, CLONE_NEWUSER) == EPERM);
  CHECK(outcome_i386(435) == ENOSYS);  // clone3
}

TEST_CASE("x32 numbers are denied whatever the profile's default") {
  constexpr long x32 = 0x4000'0000;
  CHECK(call(x32 + SYS_getpid) == ENOSYS);
  const auto open_door = compile_seccomp(parse_json(R"({"defaultAction":"SCMP_ACT_ALLOW"})", "test"), 0);
  CHECK(outcome(open_door, [] { return ::syscall(x32 + SYS_getpid); }) == ENOSYS);
  CHECK(outcome(open_door, [] { return ::syscall(SYS_getpid); }) == 0);
}
#endif
