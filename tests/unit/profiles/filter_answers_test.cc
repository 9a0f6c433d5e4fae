// What the built-in profile's filter is found to answer, and one with fewer calls.
#include "profiles/filter_answers.h"

#include <doctest/doctest.h>

#include "profiles/capabilities.h"
#include "profiles/seccomp.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::profiles;

namespace {

using Texts = std::set<std::string>;

Json built_in() { return parse_json(default_seccomp_profile(), "built-in"); }

Texts texts(const std::vector<std::byte>& filter, const std::string& call) {
  Texts found;
  for (const std::uint32_t answer : possible_answers(filter, call_number(call).value()))
    found.insert(answer_text(answer));
  return found;
}

const std::string allowed = "allowed", denied = "denied: Operation not permitted (EPERM)",
                  absent = "denied: Function not implemented (ENOSYS)";

}  // namespace

TEST_CASE("an answer is found for each way that the arguments can go") {
  const auto filter = compile_seccomp(built_in(), default_capabilities());
  CHECK(texts(filter, "read") == Texts{allowed});
  CHECK(texts(filter, "mount") == Texts{denied});
  CHECK(texts(filter, "clone3") == Texts{absent});
  CHECK(texts(filter, "clone") == Texts{allowed, denied});
  CHECK(texts(filter, "unshare") == Texts{allowed, denied});
  CHECK(texts(filter, "ioctl") == Texts{allowed, denied});
  CHECK(texts(filter, "personality") == Texts{allowed, absent});
  CHECK(texts(filter, "socket") == Texts{allowed, denied, absent});
  CHECK(texts(compile_seccomp(built_in(), all_capabilities()), "clone") == Texts{allowed});
  CHECK(texts({}, "mount") == Texts{allowed});
  CHECK_FALSE(call_number("no_such_call"));
}

TEST_CASE("calls that are taken away are denied whatever the profile says of them") {
  const auto filter =
      compile_seccomp(without_calls(built_in(), {"read", "ioctl", "clone3", "personality"}), default_capabilities());
  CHECK(texts(filter, "read") == Texts{denied});
  CHECK(texts(filter, "ioctl") == Texts{denied});
  CHECK(texts(filter, "clone3") == Texts{denied});
  CHECK(texts(filter, "personality") == Texts{denied});
  CHECK(texts(filter, "write") == Texts{allowed});
  CHECK_THROWS_AS(without_calls(built_in(), {"no_such_call"}), InvalidInput);
  CHECK_THROWS_AS(without_calls(Json::array(), {"read"}), InvalidInput);
  const Json old =
      parse_json(R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW"}]})", "old");
  CHECK(texts(compile_seccomp(without_calls(old, {"read"}), 0), "read") == Texts{denied});
}

TEST_CASE("a filter that no kernel would take is refused") {
  CHECK_THROWS_AS(possible_answers(std::vector<std::byte>(8), 0), InvalidInput);
  CHECK_THROWS_AS(possible_answers(std::vector<std::byte>(16, std::byte{0xff}), 0), InvalidInput);
}
