// What config.json asks of the kernel for the process, as data.
#include "sandbox/runtime/plan_attributes.h"

#include <doctest/doctest.h>
#include <sched.h>

#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

using Numbers = std::vector<std::uint32_t>;

std::optional<userns::TaskAttributes> attributes(const char* scheduler, const char* io_priority = nullptr,
                                                 const char* personality = nullptr, const char* memory = nullptr) {
  const auto part = [](const char* text) { return text != nullptr ? std::optional(Json::parse(text)) : std::nullopt; };
  oci::Process process;
  oci::Linux of_linux;
  process.scheduler = part(scheduler);
  process.io_priority = part(io_priority);
  of_linux.personality = part(personality);
  of_linux.memory_policy = part(memory);
  return plan_attributes(process, of_linux);
}

std::string failure(const char* scheduler, const char* io_priority = nullptr, const char* personality = nullptr,
                    const char* memory = nullptr) {
  try {
    (void)attributes(scheduler, io_priority, personality, memory);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "none";
}

Numbers exec_cpus(const char* text) {
  oci::Process process;
  process.exec_cpu_affinity = Json::parse(text);
  return plan_exec_cpus(process);
}

}  // namespace

TEST_CASE("a process that asks for nothing keeps what its caller has") {
  CHECK_FALSE(attributes(nullptr).has_value());
  CHECK(plan_exec_cpus({}).empty());
}

TEST_CASE("schedulers") {
  const auto batch = attributes(R"({"policy":"SCHED_BATCH","nice":5,"flags":["SCHED_FLAG_RESET_ON_FORK"]})");
  REQUIRE(batch->scheduler);
  CHECK(batch->scheduler->policy == SCHED_BATCH);
  CHECK(batch->scheduler->nice == 5);
  CHECK(batch->scheduler->flags == 1);
  const auto deadline = attributes(R"({"policy":"SCHED_DEADLINE","runtime":1,"deadline":2,"period":18446744073709551615})");
  CHECK(deadline->scheduler->period == UINT64_MAX);
  CHECK(failure("{}") == "process.scheduler has no 'policy'");
  CHECK(failure(R"({"policy":"SCHED_X"})") == "process.scheduler: policy has the unknown value \"SCHED_X\"");
  CHECK(failure(R"({"policy":"SCHED_FIFO","priority":100})") == "process.scheduler: priority is out of range");
  CHECK(failure(R"({"policy":"SCHED_OTHER","nice":-21})") == "process.scheduler: nice is out of range");
  CHECK(failure(R"({"policy":"SCHED_OTHER","flags":["X"]})") == "process.scheduler: flags[0] has the unknown value \"X\"");
}

TEST_CASE("classes and levels of I/O") {
  CHECK(attributes(nullptr, R"({"class":"IOPRIO_CLASS_BE","priority":7})")->io_priority == (2U << 13 | 7U));
  CHECK(attributes(nullptr, R"({"class":"IOPRIO_CLASS_IDLE"})")->io_priority == 3U << 13);
  CHECK(failure(nullptr, R"({"class":"IOPRIO_CLASS_BE","priority":8})") == "process.ioPriority: priority is out of range");
  CHECK(failure(nullptr, R"({"class":"X"})") == "process.ioPriority: class has the unknown value \"X\"");
}

TEST_CASE("personalities") {
  CHECK(attributes(nullptr, nullptr, R"({"domain":"LINUX32"})")->personality == 8U);
  CHECK(failure(nullptr, nullptr, R"({"domain":"X"})") == "linux.personality: domain has the unknown value \"X\"");
  CHECK(failure(nullptr, nullptr, R"({"domain":"LINUX","flags":["X"]})") == "linux.personality: flags has an unknown value");
}

TEST_CASE("memory policies and their nodes") {
  const auto bound = attributes(nullptr, nullptr, nullptr,
                                R"({"mode":"MPOL_BIND","nodes":"3,0-1,1","flags":["MPOL_F_STATIC_NODES"]})");
  CHECK(bound->memory_policy->mode == (2U | 1U << 15));
  CHECK(bound->memory_policy->nodes == Numbers{0, 1, 3});
  const auto nodes = [](const char* list) {
    const std::string text = fmt::format(R"({{"mode":"MPOL_BIND","nodes":"{}"}})", list);
    return failure(nullptr, nullptr, nullptr, text.c_str());
  };
  CHECK(nodes("1023") == "none");
  CHECK(nodes("1024") == "linux.memoryPolicy: nodes has a number above 1023");
  CHECK(nodes("3-1") == "linux.memoryPolicy: nodes has a range that ends before it begins");
  for (const char* list : {"x", "-1", "1-", "1,,2", "0x1", "4294967296", " 1"}) {
    CAPTURE(list);
    CHECK(nodes(list) == "linux.memoryPolicy: nodes is not a list of numbers and ranges");
  }
}

TEST_CASE("a process that joins gets the final CPUs, or else the initial ones") {
  CHECK(exec_cpus(R"({"initial":"0-2","final":"1"})") == Numbers{1});
  CHECK(exec_cpus(R"({"initial":"0-2","final":""})") == Numbers{0, 1, 2});
  CHECK_THROWS_AS(exec_cpus(R"({"final":"1024"})"), InvalidInput);
}
