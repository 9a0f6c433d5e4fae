// registries.conf and policy.json: what they decide, without a file or a server.
#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/image/policy.h"
#include "sandbox/image/registries_conf.h"

using namespace sandbox;
using namespace sandbox::image;

namespace {

RegistriesConf conf_of(std::string_view text) {
  RegistriesConf conf;
  add_registries_conf(conf, text, "test.conf");
  return conf;
}

/// "registry/repository" of each endpoint, "!" in front of an insecure one.
std::string places(const RegistriesConf& conf, std::string_view name) {
  std::string text;
  for (const Endpoint& endpoint : endpoints_of(conf, parse_reference(name))) {
    text += fmt::format("{}{}{}/{}", text.empty() ? "" : " ", endpoint.insecure ? "!" : "", endpoint.reference.registry,
                        endpoint.reference.repository);
  }
  return text;
}

std::string meanings(const RegistriesConf& conf, std::string_view name) {
  std::string text;
  for (const Reference& reference : candidates_of(conf, name))
    text += (text.empty() ? "" : " ") + reference.canonical();
  return text;
}

}  // namespace

TEST_CASE("without a word about it a registry is where its name says") {
  CHECK(places({}, "busybox") == "docker.io/library/busybox");
  CHECK(places({}, "localhost:5000/a/b") == "localhost:5000/a/b");
}

TEST_CASE("the longest prefix decides, at the ends of a name's parts") {
  const auto conf = conf_of(R"(
[[registry]]
location = "r.example"
insecure = true
[[registry]]
prefix = "r.example/group"
location = "other.example:5000/moved"
[[registry]]
prefix = "*.wild.example"
insecure = true
)");
  CHECK(places(conf, "r.example/x") == "!r.example/x");
  CHECK(places(conf, "r.example/group/x:1") == "other.example:5000/moved/x");
  CHECK(places(conf, "r.example/groups/x") == "!r.example/groups/x");
  CHECK(places(conf, "r.example.org/x") == "r.example.org/x");
  CHECK(places(conf, "a.b.wild.example/x") == "!a.b.wild.example/x");
  CHECK(places(conf, "wild.example/x") == "wild.example/x");
  CHECK(is_insecure(conf, "r.example"));
  CHECK_FALSE(is_insecure(conf, "s.example"));
}

TEST_CASE("mirrors come before their registry, for the kind of reference that they are for") {
  const auto conf = conf_of(R"(
[[registry]]
prefix = "docker.io"
[[registry.mirror]]
location = "localhost:5000/hub"
insecure = true
[[registry.mirror]]
location = "tags.example"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "digests.example"
pull-from-mirror = "digest-only"
)");
  const std::string digest = "@sha256:" + std::string(64, 'a');
  CHECK(places(conf, "busybox") ==
        "!localhost:5000/hub/library/busybox tags.example/library/busybox docker.io/library/busybox");
  CHECK(places(conf, "busybox" + digest) ==
        "!localhost:5000/hub/library/busybox digests.example/library/busybox docker.io/library/busybox");
}

TEST_CASE("a registry that is blocked is asked for nothing") {
  const auto conf = conf_of("[[registry]]\nprefix = \"bad.example/group\"\nblocked = true\n");
  CHECK_THROWS_AS(endpoints_of(conf, parse_reference("bad.example/group/x")), Conflict);
  CHECK(places(conf, "bad.example/x") == "bad.example/x");
}

TEST_CASE("a short name is docker hub's unless an alias or a list says otherwise") {
  CHECK(meanings({}, "busybox") == "docker.io/library/busybox:latest");
  auto conf = conf_of(
      "unqualified-search-registries = [\"one.example\", \"docker.io\"]\n[aliases]\n\"tool\" = "
      "\"two.example/a/tool\"\n");
  CHECK(meanings(conf, "busybox:1") == "one.example/busybox:1 docker.io/library/busybox:1");
  CHECK(meanings(conf, "tool:2") == "two.example/a/tool:2");
  CHECK(meanings(conf, "docker.io/tool") == "docker.io/library/tool:latest");
  CHECK(meanings(conf, "three.example/tool") == "three.example/tool:latest");
  add_registries_conf(conf, "short-name-mode = \"enforcing\"", "later.conf");
  CHECK_THROWS_AS(candidates_of(conf, "busybox"), Conflict);
  add_registries_conf(conf, "unqualified-search-registries = [\"one.example\"]", "later.conf");
  CHECK(meanings(conf, "busybox") == "one.example/busybox:latest");
}

TEST_CASE("a file that can't be meant so is refused by its name") {
  for (const char* text :
       {"x", "[[registry]]", "[[registry]]\nprefix = 3", "registry = [1]", "short-name-mode = \"maybe\"",
        "[registries.search]\nregistries = [\"a\"]", "[[registry]]\nprefix = \"a.*.b\"",
        "[[registry]]\nlocation = \"https://a\"", "unqualified-search-registries = [1]", "[aliases]\na = 1",
        "[[registry]]\nprefix = \"a.b\"\n[[registry.mirror]]\ninsecure = true"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(conf_of(text), doctest::Contains("test.conf: "), InvalidInput);
  }
}

TEST_CASE("a policy's most particular scope decides") {
  const Json policy = parse_json(R"({"default": [{"type": "reject"}], "transports": {
    "docker": {"docker.io/library/busybox": [{"type": "insecureAcceptAnything"}],
               "docker.io/library/busybox:bad": [{"type": "reject"}],
               "r.example/group": [{"type": "insecureAcceptAnything"}],
               "*.wild.example": [{"type": "signedBy", "keyType": "GPGKeys"}]},
    "docker-archive": {"": [{"type": "insecureAcceptAnything"}]}}})",
                                 "policy.json");
  const auto accepted = [&](const char* scope) { return judge(policy, "docker", scope).empty(); };
  CHECK(accepted("docker.io/library/busybox:latest"));
  CHECK_FALSE(accepted("docker.io/library/busybox:bad"));
  CHECK_FALSE(accepted("docker.io/library/busyboxes:latest"));
  CHECK(accepted("r.example/group/deep/x:1"));
  CHECK_FALSE(accepted("r.example/x:1"));
  CHECK(judge(policy, "docker", "a.b.wild.example/x:1").contains("signed"));
  CHECK(judge(policy, "docker-archive", "").empty());
  CHECK_FALSE(judge(policy, "oci-archive", "").empty());
}

TEST_CASE("a policy that is none accepts nothing") {
  for (const char* text :
       {"[]", "{}", R"({"default": []})", R"({"default": [{}]})", R"({"default": [{"type": "maybe"}]})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(judge(parse_json(text, "policy.json"), "docker", "x/y:1"), InvalidInput);
  }
}
