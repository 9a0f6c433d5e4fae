// Named profiles as data: what is refused and by which words, what placeholders and patterns come to.
#include "profiles/named_profile.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::profiles;

namespace {

NamedProfile parse(const std::string& options, const std::string& more = "") {
  return parse_named_profile(R"({"description":"d","options":)" + options + more + "}", "p", "/dir/p.json");
}

std::string refusal(const std::string& text) {
  try {
    parse_named_profile(text, "p", "/dir/p.json");
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "accepted";
}

std::string option_refusal(const std::string& options) {
  return refusal(R"({"description":"d","options":)" + options + "}");
}

std::vector<std::string> values_of(const std::vector<OptionWord>& words, std::string_view name) {
  std::vector<std::string> values;
  for (const OptionWord& word : words) {
    if (word.name == name) values.push_back(word.value);
  }
  return values;
}

ProfileHost host() {
  return {.directory = "/home/me/work",
          .home = "/home/me",
          .uid = 1000,
          .gid = 1001,
          .environment = {{"SCRATCH", "/scratch"}, {"EMPTY", ""}},
          .devices = {{"/dev/dri/*", {"/dev/dri/card0"}}}};
}

}  // namespace

TEST_CASE("what is not as the schema says is refused with the file and the key") {
  const std::string title = "profile 'p' (/dir/p.json)";
  CHECK(refusal("[]") == title + ": not an object");
  CHECK(refusal("{").starts_with(title + ": not valid JSON"));
  CHECK(refusal(R"({"options":{}})") == title + ": 'description' is missing");
  CHECK(refusal(R"({"description":"d"})") == title + ": 'options' is missing");
  CHECK(refusal(R"({"description":7,"options":{}})") == title + ": 'description' is not a string");
  CHECK(refusal(R"({"description":"","options":{}})").starts_with(title + ": 'description' is not between"));
  CHECK(refusal(R"({"description":"d","options":[]})") == title + ": 'options' is not an object");
  CHECK(refusal(R"({"description":"d","options":{},"network":"none"})") ==
        title + ": 'network' is not a member of a profile");
  CHECK(refusal(R"({"description":"d","options":{},"extends":"../x"})") ==
        title + ": 'extends' is not the name of a profile");
  CHECK(refusal(R"({"description":"d","options":{},"options":{}})") != "accepted");
}

TEST_CASE("options are flags, values or lists, and nothing else") {
  const NamedProfile profile =
      parse(R"({"read-only":true,"pids-limit":5,"network":"none","tmpfs":["/a","/b"]})", R"(,"extends":"default")");
  CHECK(profile.base == "default");
  REQUIRE(profile.options.size() == 4);
  CHECK(profile.options[0].kind == OptionKind::value);
  CHECK(profile.options[1].values == std::vector<std::string>{"5"});
  CHECK(profile.options[2].kind == OptionKind::flag);
  CHECK(profile.options[3].kind == OptionKind::list);
  for (const char* value : {"null", "1.5", "{}", "[1]", "[[\"x\"]]"}) {
    CHECK(option_refusal(fmt::format(R"({{"tmpfs":{}}})", value)).find("'options.tmpfs") != std::string::npos);
  }
  CHECK(option_refusal(R"({"--tmpfs":"x"})").find("'options.--tmpfs' is not the long name") != std::string::npos);
  CHECK(option_refusal(R"({"profile":"x"})").find("'extends' names another one") != std::string::npos);
  CHECK(option_refusal(R"({"env":["a\u0000"]})").find("'options.env[0]' contains a NUL byte") != std::string::npos);
}

TEST_CASE("placeholders are replaced, and what needs a variable that is not set is left out") {
  const auto words = option_words(
      parse(R"({"volume":["${cwd}:/w","${env:SCRATCH}:/s","${env:EMPTY}:/e","${env:NONE}:/n","${cwd}:/w"],
               "workdir":"${env:NONE}","user":"${uid}:${gid}","security-opt":["seccomp=${profile}/calls.json"]})"),
      host());
  CHECK(values_of(words, "volume") == std::vector<std::string>{"/home/me/work:/w", "/scratch:/s"});
  CHECK(values_of(words, "workdir").empty());
  CHECK(values_of(words, "user") == std::vector<std::string>{"1000:1001"});
  CHECK(values_of(words, "security-opt") == std::vector<std::string>{"seccomp=/dir/calls.json"});
  CHECK_THROWS_AS(option_words(parse(R"({"user":"${root}"})"), host()), InvalidInput);
  CHECK_THROWS_AS(option_words(parse(R"({"user":"${uid"})"), host()), InvalidInput);
}

TEST_CASE("a pattern of devices stands for those that open; others are taken by their word") {
  const NamedProfile profile = parse(R"({"device":["/dev/dri/*","/dev/nvidia?","/dev/kvm"]})");
  CHECK(device_patterns(profile) == std::vector<std::string>{"/dev/dri/*", "/dev/nvidia?"});
  CHECK(values_of(option_words(profile, host()), "device") == std::vector<std::string>{"/dev/dri/card0", "/dev/kvm"});
}

TEST_CASE("every shipped profile is one") {
  CHECK(shipped_profiles().size() == 5);
  for (const ShippedProfile& shipped : shipped_profiles()) {
    const NamedProfile profile = parse_named_profile(shipped.text, std::string(shipped.name), "");
    CHECK_NOTHROW(option_words(profile, host()));
  }
}
