// The seccomp part of config.json, as flags and bytes.
#include "sandbox/runtime/seccomp.h"

#include <doctest/doctest.h>
#include <linux/seccomp.h>

#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

struct Case {
  explicit Case(const char* seccomp) { spec.linux_part.seccomp = Json::parse(seccomp); }
  std::uint32_t flags() const {
    userns::ProcessPlan process;
    apply_seccomp(spec, process);
    CHECK_FALSE(process.seccomp.empty());
    return process.seccomp_flags;
  }
  std::string failure() const {
    try {
      flags();
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }

  oci::RuntimeSpec spec;
};

}  // namespace

TEST_CASE("a filter has a listener when it asks an agent, and its flags only then") {
  const Case asks(R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/a","flags":["SECCOMP_FILTER_FLAG_LOG",
      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]})");
  CHECK(has_listener(asks.spec.linux_part));
  CHECK(asks.flags() == (SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG |
                         SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
  const Case silent(R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/a","flags":["SECCOMP_FILTER_FLAG_TSYNC",
      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]})");
  CHECK_FALSE(has_listener(silent.spec.linux_part));
  CHECK(silent.flags() == 0);
  CHECK(has_listener(Case(R"({"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/a"})").spec.linux_part));
}

TEST_CASE("names that are unknown, and what contradicts itself") {
  const std::pair<const char*, const char*> cases[] = {
      {R"("flags":["X"])", "linux.seccomp: flags[0] is the unknown flag \"X\""},
      {R"("architectures":["X"])", "linux.seccomp: architectures[0] is the unknown architecture \"X\""},
      {R"("listenerMetadata":"x")", "linux.seccomp: listenerMetadata is given without listenerPath"},
      {R"("listenerPath":"x")", "linux.seccomp: listenerPath is not an absolute path"},
      {R"("syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}])",
       "linux.seccomp has SCMP_ACT_NOTIFY, and no listenerPath"}};
  for (const auto& [member, message] : cases) {
    CHECK(Case(fmt::format(R"({{"defaultAction":"SCMP_ACT_ALLOW",{}}})", member).c_str()).failure() == message);
  }
}

TEST_CASE("unknown system calls are an error only where an annotation asks for it") {
  Case c(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["moon"],"action":"SCMP_ACT_ERRNO"}]})");
  CHECK(c.failure() == "none");
  c.spec.annotations["run.oci.seccomp_fail_unknown_syscall"] = "0";
  CHECK(c.failure() == "none");
  c.spec.annotations["run.oci.seccomp_fail_unknown_syscall"] = "";
  CHECK(c.failure() == "seccomp profile: syscalls[0]: unknown system call 'moon'");
}

TEST_CASE("an annotation never replaces the filter") {
  Case c(R"({"defaultAction":"SCMP_ACT_ALLOW"})");
  c.spec.annotations["run.oci.seccomp_bpf_data"] = "";
  CHECK_THROWS_AS(c.flags(), Unsupported);
}
