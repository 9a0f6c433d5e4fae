// Reading seccomp profiles: what is refused and by which words.
#include "profiles/seccomp.h"

#include <doctest/doctest.h>
#include <linux/filter.h>

#include <chrono>
#include <ctime>

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::profiles;

namespace {

std::string refusal(const char* text, std::uint64_t capabilities = 0) {
  try {
    compile_seccomp(parse_json(text, "test"), capabilities);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "accepted";
}

bool mentions(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a malformed profile is refused with the place and the reason") {
  CHECK(mentions(refusal("[]"), "not an object"));
  CHECK(mentions(refusal("{}"), "'defaultAction' is missing"));
  CHECK(mentions(refusal(R"({"defaultAction":"SCMP_ACT_PERHAPS"})"), "unknown action 'SCMP_ACT_PERHAPS'"));
  CHECK(mentions(refusal(R"({"defaultAction":7})"), "not a string"));
  CHECK(mentions(refusal(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":-1})"), "'defaultErrnoRet'"));
  CHECK(mentions(refusal(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}})"), "not a list"));
}

TEST_CASE("a malformed block is refused by its index") {
  const auto block = [](const std::string& text) {
    return refusal(
        (R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpid"],"action":"SCMP_ACT_LOG"},)" + text + "]}")
            .c_str());
  };
  CHECK(mentions(block("3"), "syscalls[1]: not an object"));
  CHECK(mentions(block(R"({"action":"SCMP_ACT_LOG"})"), "no system call"));
  CHECK(mentions(block(R"({"names":[1],"action":"SCMP_ACT_LOG"})"), "strings"));
  CHECK(mentions(block(R"({"names":["bpf"]})"), "'action' is missing"));
  CHECK(mentions(block(R"({"names":["bpf"],"action":"X"})"), "syscalls[1]: unknown action 'X'"));
  CHECK(mentions(block(R"({"names":["bpf"],"name":"bpf","action":"SCMP_ACT_LOG"})"), "both"));
  CHECK(mentions(block(R"({"names":["bpf"],"action":"SCMP_ACT_ERRNO","errnoRet":70000})"), "'errnoRet'"));
  CHECK(mentions(block(R"({"names":["bpf"],"action":"SCMP_ACT_LOG","args":[{"index":0,"op":"SCMP_CMP_X"}]})"),
                 "syscalls[1].args[0]: unknown operator 'SCMP_CMP_X'"));
  CHECK(mentions(block(R"({"names":["bpf"],"action":"SCMP_ACT_LOG","args":[{"index":6,"op":"SCMP_CMP_EQ"}]})"),
                 "'index'"));
  CHECK(mentions(block(R"({"names":["bpf"],"action":"SCMP_ACT_LOG","args":[{"op":"SCMP_CMP_EQ"}]})"), "missing"));
  CHECK(mentions(block(R"({"names":["bpf"],"action":"SCMP_ACT_LOG","includes":{"caps":["CAP_X"]}})"), "CAP_X"));
  CHECK(mentions(block(R"({"names":["bpf"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"new"}})"), "minKernel"));
}

TEST_CASE("nulls, unknown system calls, repeated rules and rules equal to the default are accepted") {
  CHECK(refusal(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":null})") == "accepted");
  CHECK(refusal(R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
    {"names":["no_such_call","getpid"],"action":"SCMP_ACT_ALLOW","args":null,"includes":null,"excludes":{}},
    {"name":"getpid","action":"SCMP_ACT_ALLOW"},
    {"name":"bpf","action":"SCMP_ACT_ERRNO"}]})") == "accepted");
}

TEST_CASE("a profile that says two things about one call is refused, whatever their order") {
  const char* always = R"({"name":"socket","action":"SCMP_ACT_ALLOW"})";
  const char* vsock = R"({"name":"socket","action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":40,"op":"SCMP_CMP_EQ"}]})";
  const auto both = [](const char* first, const char* second, const char* otherwise) {
    return refusal(fmt::format(R"({{"defaultAction":"{}","syscalls":[{},{}]}})", otherwise, first, second).c_str());
  };
  for (const char* otherwise : {"SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"}) {
    CHECK(mentions(both(always, vsock, otherwise), "syscalls[1]: 'socket' contradicts syscalls[0]"));
    CHECK(mentions(both(vsock, always, otherwise), "syscalls[1]: 'socket' contradicts syscalls[0]"));
  }
}

TEST_CASE("rules with different actions are accepted when no call can meet both") {
  const auto pair = [](const char* first, const char* second) {
    return refusal(fmt::format(R"({{"defaultAction":"SCMP_ACT_KILL_PROCESS","syscalls":[
      {{"name":"socket","action":"SCMP_ACT_ALLOW","args":[{{"index":0,{}}}]}},
      {{"name":"socket","action":"SCMP_ACT_ERRNO","args":[{{"index":0,{}}}]}}]}})",
                               first, second)
                       .c_str());
  };
  const char* eq40 = R"("value":40,"op":"SCMP_CMP_EQ")";
  CHECK(pair(R"("value":41,"op":"SCMP_CMP_EQ")", eq40) == "accepted");
  CHECK(pair(R"("value":40,"op":"SCMP_CMP_NE")", eq40) == "accepted");
  CHECK(pair(R"("value":40,"op":"SCMP_CMP_LT")", eq40) == "accepted");
  CHECK(pair(R"("value":40,"op":"SCMP_CMP_LT")", R"("value":40,"op":"SCMP_CMP_GE")") == "accepted");
  CHECK(pair(R"("value":1,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ")", R"("value":3,"valueTwo":1,"op":"SCMP_CMP_MASKED_EQ")") ==
        "accepted");
  CHECK(pair(R"("value":40,"op":"SCMP_CMP_LE")", eq40) != "accepted");
  CHECK(pair(R"("value":40,"op":"SCMP_CMP_LE")", R"("value":40,"op":"SCMP_CMP_GE")") != "accepted");
  CHECK(pair(R"("value":41,"op":"SCMP_CMP_LT")", R"("value":39,"op":"SCMP_CMP_GT")") != "accepted");
  CHECK(pair(R"("value":1,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ")", R"("value":2,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ")") !=
        "accepted");
}

TEST_CASE("every action is understood") {
  for (const char* action :
       {"ALLOW", "ERRNO", "KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP", "TRACE", "LOG", "NOTIFY"}) {
    Json profile = {{"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", 38}};
    profile["syscalls"][0]["names"][0] = "bpf";
    profile["syscalls"][0]["action"] = std::string("SCMP_ACT_") + action;
    CHECK_FALSE(compile_seccomp(profile, 0).empty());
  }
}

TEST_CASE("the built-in profile compiles for no, default and all capabilities within the kernel's limit") {
  const Json profile = parse_json(default_seccomp_profile(), "built-in profile");
  for (const std::uint64_t set : {std::uint64_t{0}, default_capabilities(), all_capabilities()}) {
    const auto start = std::chrono::steady_clock::now();
    const auto program = compile_seccomp(profile, set);
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    const std::size_t instructions = program.size() / sizeof(sock_filter);
    MESSAGE(instructions, " instructions in ", time.count(), " ms");
    CHECK(program.size() % sizeof(sock_filter) == 0);
    CHECK(instructions <= BPF_MAXINSNS);
  }
}

TEST_CASE("a profile of any size is compiled or refused in little time") {
  const auto outcome = [](int count, const char* action, auto condition) {
    Json profile = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", Json::array()}};
    for (int i = 0; i < count; ++i) {
      Json rule = {{"names", {"socket", "no_such_call"}}, {"action", action}};
      if (const std::int64_t value = condition(i); value >= 0)
        rule["args"] = {{{"index", 0}, {"value", value}, {"op", "SCMP_CMP_EQ"}}};
      profile["syscalls"].push_back(std::move(rule));
    }
    const std::clock_t start = std::clock();
    const std::string words = refusal(profile.dump().c_str());
    CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 10);
    return words;
  };
  const auto always = [](int) { return -1; };
  const auto different = [](int i) { return i; };
  const auto wide = [](int i) { return std::int64_t{i} << 33 | i; };
  CHECK(outcome(20'000, "SCMP_ACT_ERRNO", always) == "accepted");
  CHECK(outcome(20'000, "SCMP_ACT_ERRNO", [](int i) { return i % 5; }) == "accepted");
  CHECK(mentions(outcome(20'000, "SCMP_ACT_ERRNO", different), "more than 1024 different rules have conditions"));
  CHECK(mentions(outcome(1'024, "SCMP_ACT_ERRNO", wide), "instructions, and the kernel's limit is 4096"));
  CHECK(outcome(200, "SCMP_ACT_ERRNO", different) == "accepted");
}
