// Programs are followed as the kernel follows them, for every number that a call can have.
#include "profiles/calls_by_number.h"

#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "profiles/seccomp.h"
#include "sandbox/base/json.h"
#include "tests/support/bpf.h"

using namespace sandbox;
using namespace sandbox::profiles;

namespace {

constexpr std::uint32_t next_filter = 1;  // no answer of seccomp
constexpr std::uint32_t denied = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t foreign = SECCOMP_RET_ERRNO | ENOSYS;
constexpr std::uint32_t x32_bit = 0x40000000;

/// What a program says, or whatever follows it.
std::uint32_t answer(std::vector<sock_filter> program, const seccomp_data& call) {
  program.push_back(BPF_STMT(BPF_RET | BPF_K, next_filter));
  return testing::evaluate_filter(std::as_bytes(std::span(program)), call);
}

std::uint32_t answer(const std::vector<sock_filter>& program, std::uint32_t architecture, std::uint32_t number,
                     std::uint64_t argument = 0) {
  return answer(program, {static_cast<int>(number), architecture, 0, {argument, argument, 0, 0, 0, 0}});
}

std::vector<sock_filter> compile(const Json& profile) {
  const auto bytes = compile_seccomp(profile, 0);
  std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), bytes.size());
  return program;
}

void check_front(const std::set<std::uint32_t>& numbers) {
  const auto program = decide_at_once(AUDIT_ARCH_X86_64, {numbers, {}});
  for (std::uint32_t number = 0; number < 2100; ++number) {
    const std::uint32_t expected = numbers.contains(number) ? SECCOMP_RET_ALLOW : next_filter;
    if (answer(program, AUDIT_ARCH_X86_64, number) != expected) FAIL_CHECK("number " << number);
    if (answer(program, AUDIT_ARCH_I386, number) != next_filter) FAIL_CHECK("another architecture's number " << number);
  }
  for (const std::uint32_t number : {x32_bit, x32_bit + 1, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    CHECK(answer(program, AUDIT_ARCH_X86_64, number) == next_filter);
  }
}

}  // namespace

TEST_CASE("the front of a filter allows what it is given and leaves the rest to what follows") {
  CHECK(decide_at_once(AUDIT_ARCH_X86_64, {}).empty());
  check_front({0});
  check_front({7});
  check_front({0, 1, 2, 5, 6, 400});
  std::set<std::uint32_t> every_second, every_third, all;
  for (std::uint32_t number = 0; number < 2000; ++number) {
    all.insert(number);
    if (number % 2 == 1) every_second.insert(number);
    if (number % 3 != 0) every_third.insert(number);
  }
  check_front(all);
  CHECK(decide_at_once(AUDIT_ARCH_X86_64, {all, {}}).size() < 10);
  check_front(every_second);  // with branches farther than 255 instructions
  check_front(every_third);
}

TEST_CASE("what is newer than the newest call does not exist") {
  for (const auto& allowed : {std::set<std::uint32_t>{}, {7}, {300}}) {
    const auto program = decide_at_once(AUDIT_ARCH_X86_64, {allowed, 300});
    CHECK(answer(program, AUDIT_ARCH_X86_64, 299) == next_filter);
    CHECK(answer(program, AUDIT_ARCH_X86_64, 300) == (allowed.contains(300) ? SECCOMP_RET_ALLOW : next_filter));
    for (const std::uint32_t number : {301U, 1000U, x32_bit, 0xffffffffU}) {
      CHECK(answer(program, AUDIT_ARCH_X86_64, number) == foreign);
    }
    CHECK(answer(program, AUDIT_ARCH_I386, 301) == next_filter);
  }
}

#if defined(__x86_64__)
TEST_CASE("a whole program answers for every number as its rules say, on both architectures") {
  const auto profile = parse_json(R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
      {"names":["read","write","close","socket","newfstatat","_llseek","mmap2","time","openat"],"action":"SCMP_ACT_ALLOW"},
      {"names":["kill"],"action":"SCMP_ACT_ERRNO","errnoRet":3},
      {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ","value":8}]},
      {"names":["openat"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ","value":1}]}]})",
                                  "test");
  const auto program = compile(profile);
  for (const auto& [scmp_arch, architecture] :
       {std::pair<std::uint32_t, std::uint32_t>{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64},
        {SCMP_ARCH_X86, AUDIT_ARCH_I386}}) {
    const auto number = [&](const char* name) { return ::seccomp_syscall_resolve_name_arch(scmp_arch, name); };
    const std::set<int> allowed = {
        number("read"),       number("write"),   number("close"),
        number("newfstatat"), number("_llseek"), number("mmap2"),
        number("time"),       number("openat"),  scmp_arch == SCMP_ARCH_X86 ? 359 : number("socket")};
    for (int call = 0; call < 700; ++call) {
      if (call == number("personality") || call == 102) continue;  // 102: socketcall of i386, below
      const int newest = 402;
      const std::uint32_t expected = allowed.contains(call)   ? SECCOMP_RET_ALLOW
                                     : call == number("kill") ? SECCOMP_RET_ERRNO | 3U
                                     : call > newest          ? foreign
                                                              : denied;
      if (answer(program, architecture, static_cast<std::uint32_t>(call)) != expected) FAIL_CHECK("number " << call);
    }
    CHECK(answer(program, architecture, static_cast<std::uint32_t>(number("personality")), 8) == SECCOMP_RET_ALLOW);
    CHECK(answer(program, architecture, static_cast<std::uint32_t>(number("personality")), 9) == denied);
  }
  CHECK(answer(program, AUDIT_ARCH_I386, 102, 1) == SECCOMP_RET_ALLOW);  // socketcall(SYS_SOCKET)
  CHECK(answer(program, AUDIT_ARCH_I386, 102, 3) == denied);             // socketcall(SYS_CONNECT)
  CHECK(answer(program, AUDIT_ARCH_X86_64, x32_bit | 1U) == foreign);
  CHECK(answer(program, AUDIT_ARCH_AARCH64, 1) == foreign);
}

TEST_CASE("a profile denies what it could have named, and has not heard of what is newer") {
  const std::string start = R"({"defaultAction":")",
                    end = R"(","syscalls":[{"names":["openat2"],"action":"SCMP_ACT_ALLOW"}]})";
  const auto result = [&](const char* action, std::uint32_t call) {
    return answer(compile(parse_json(start + action + end, "test")), AUDIT_ARCH_X86_64, call);
  };
  constexpr std::uint32_t pidfd_open = 434, openat2 = 437, cachestat = 451;
  CHECK(result("SCMP_ACT_ERRNO", pidfd_open) == denied);
  CHECK(result("SCMP_ACT_ERRNO", openat2) == SECCOMP_RET_ALLOW);
  CHECK(result("SCMP_ACT_ERRNO", cachestat) == foreign);
  CHECK(result("SCMP_ACT_KILL_PROCESS", cachestat) == foreign);
  CHECK(result("SCMP_ACT_LOG", cachestat) == SECCOMP_RET_LOG);
}

TEST_CASE("the built-in profile's program is short") {
  CHECK(compile(parse_json(default_seccomp_profile(), "built-in")).size() < 800);
}
#endif
