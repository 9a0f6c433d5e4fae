// A named profile's options under those of the command line, and what a request's container may do.
#include "sandbox/cli/profile_arguments.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/run_options.h"
#include "sandbox/engine/explain.h"
#include "sandbox/engine/profile.h"

namespace sandbox::cli {
namespace {

using profiles::NamedProfile;
using Words = std::vector<std::string>;

NamedProfile profile(const std::string& options) {
  return profiles::parse_named_profile(R"({"description":"d","options":)" + options + "}", "p", "");
}

Arguments given(Words words) {
  words.emplace_back("image");
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  return parse_arguments(kRunOptions, false, pointers);
}

engine::RunRequest request(const std::string& options, const Words& words, const std::string& base = "{}") {
  return run_request(under(given(words), {profile(base), profile(options)}, {}, kRunOptions, "run"), "run");
}

std::string refusal(const std::string& options) {
  try {
    request(options, {});
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("an option that is given counts instead of the profile's, and lists go on") {
  const std::string options = R"({"network":"none","read-only":true,"env":["A=1","B=1"],"memory":"1g"})";
  const auto plain = request(options, {});
  CHECK(plain.network == "none");
  CHECK(plain.read_only);
  CHECK(plain.image == "image");
  const auto changed = request(options, {"--network", "host", "--read-only=false", "-e", "A=2"});
  CHECK(changed.network == "host");
  CHECK_FALSE(changed.read_only);
  CHECK(changed.memory == "1g");
  CHECK(changed.env == Words{"A=1", "B=1", "A=2"});
}

TEST_CASE("a profile's words stand over those of what it extends") {
  const auto both =
      request(R"({"network":"host","cap-add":["CHOWN"]})", {}, R"({"network":"none","cap-drop":["ALL","CHOWN"]})");
  CHECK(both.network == "host");
  CHECK(both.cap_drop == Words{"ALL"});
}

TEST_CASE("a mount that is given replaces the profile's at the same place, of whatever kind") {
  const std::string options = R"({"tmpfs":["/tmp:size=1m","/run"],"volume":["/srv:/srv/"]})";
  const auto changed = request(options, {"-v", "/mine:/tmp", "--mount", "type=bind,src=/other,dst=/srv"});
  CHECK(changed.tmpfs == Words{"/run"});
  CHECK(changed.volumes == Words{"/mine:/tmp"});
}

TEST_CASE("a capability that is given either way counts, also against all of the profile's") {
  CHECK(request(R"({"cap-add":["SYS_PTRACE","NET_ADMIN"]})", {"--cap-drop", "cap_sys_ptrace"}).cap_add ==
        Words{"NET_ADMIN"});
  CHECK(request(R"({"cap-add":["SYS_PTRACE"]})", {"--cap-drop", "ALL"}).cap_add.empty());
  const auto added = request(R"({"cap-drop":["ALL"]})", {"--cap-add", "CHOWN"});
  CHECK(added.cap_drop == Words{"ALL"});
  CHECK(added.cap_add == Words{"CHOWN"});
}

TEST_CASE("a filter of system calls that is given replaces the profile's, with the calls taken from that") {
  const std::string options = R"({"security-opt":["no-new-privileges","seccomp=/a","deny-calls=ptrace"]})";
  CHECK(request(options, {"--security-opt", "seccomp=unconfined"}).security_options ==
        Words{"no-new-privileges", "seccomp=unconfined"});
  CHECK(request(options, {"--security-opt", "deny-calls=mount"}).security_options.size() == 4);
}

TEST_CASE("an option that the command doesn't have, or of another kind, is named with its profile") {
  CHECK(refusal(R"({"no-such":true})") == "profile 'p': 'options.no-such' is no option of 'run'");
  CHECK(refusal(R"({"read-only":"yes"})") == "profile 'p': 'options.read-only' is true or false");
  CHECK(refusal(R"({"tmpfs":"/tmp"})") == "profile 'p': 'options.tmpfs' is a list of strings");
  CHECK(refusal(R"({"network":["a"]})") == "profile 'p': 'options.network' is a string or a whole number");
}

TEST_CASE("paths are explained by the plan that a container would be made by") {
  const auto plan = engine::plan_of_any_image(request(
      R"({"read-only":true,"tmpfs":["/tmp"],"volume":["/srv/data:/data:ro","/home:/home"],"cap-drop":["ALL"]})", {}));
  const auto told = [&](const char* path) { return engine::explain_path(plan, path); };
  CHECK(told("/etc/passwd") == "read-only: the image's");
  CHECK(told("/tmp/../tmp/x/").starts_with("writable: in memory"));
  CHECK(told("/data/x") == "read-only: the host's /srv/data/x");
  CHECK(told("/home/") == "writable: the host's /home");
  CHECK(told("/proc/kcore") == "hidden");
  CHECK(told("/proc/sys/kernel").starts_with("read-only: the kernel's"));
  CHECK(told("/homes") == "read-only: the image's");
  CHECK(engine::explain_capability(plan, "CAP_CHOWN") == "not held");
  CHECK_THROWS_AS(engine::explain_capability(plan, "CAP_X"), UsageError);
  CHECK_THROWS_AS(engine::explain_call({}, "no_such_call"), UsageError);
}

}  // namespace
}  // namespace sandbox::cli
