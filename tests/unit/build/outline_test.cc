// What is said of a Dockerfile without building it. What is expected is what BuildKit's own outline has.
#include "sandbox/build/outline.h"

#include <doctest/doctest.h>

#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

constexpr std::string_view kText =
    "ARG REGISTRY=example.org\n"
    "# IMAGE is what the tools are on\n"
    "ARG IMAGE=$REGISTRY/base\n"
    "ARG UNUSED=1\n"
    "\n"
    "# tools has the compiler\n"
    "FROM $IMAGE AS tools\n"
    "# FLAGS go to the compiler\n"
    "ARG FLAGS=-O2 \\\n"
    "  TARGETARCH\n"
    "RUN --mount=type=secret,id=key${FLAGS#-} --mount=type=ssh make\n"
    "FROM other${UNUSED} AS never\n"
    "ARG NEVER=1\n"
    "RUN --mount=type=secret,id=unseen true\n"
    "# a remark\n"
    "FROM tools AS app\n"
    "ARG IMAGE\n"
    "ARG FLAGS=own\n"
    "RUN --mount=type=ssh,required --mount=type=secret,target=/etc/token,required true\n"
    "FROM scratch\n"
    "COPY --from=app /app /app\n";

Outline outlined(const std::string& target, std::map<std::string, std::string> build_args = {}) {
  const Tree tree = parse_tree(kText);
  const Dockerfile file = parse_dockerfile(tree);
  GraphRequest request;
  request.build_args = std::move(build_args);
  request.target = target;
  return outline(tree, file, make_graph(file, request, [](const ImageOp&) { return Json(); }), target);
}

std::string shown(const Outline& outline) {
  std::string text = fmt::format("{}: {}\n", outline.name, outline.description);
  for (const auto& one : outline.arguments)
    text += fmt::format("{}={} ({}) {}-{}\n", one.name, one.value, one.description, one.lines.first, one.lines.last);
  for (const auto* needs : {&outline.secrets, &outline.agents}) {
    for (const auto& one : *needs)
      text += fmt::format("{}{} {}-{}\n", one.id, one.required ? " required" : "", one.lines.first, one.lines.last);
  }
  return text;
}

}  // namespace

TEST_CASE("targets are listed with their descriptions and bases") {
  const Tree tree = parse_tree(kText);
  const auto found = targets(tree, parse_dockerfile(tree));
  REQUIRE(found.size() == 4);
  CHECK(found[0].name == "tools");
  CHECK(found[0].description == "has the compiler");
  CHECK(found[0].base == "$IMAGE");
  CHECK(found[0].lines == LineRange{7, 7});
  CHECK(found[2].description.empty());  // the comment begins with another word
  CHECK_FALSE(found[2].is_default);
  CHECK(found[3].name.empty());
  CHECK(found[3].is_default);
}

TEST_CASE("an outline has the arguments, secrets and agents of the stages that the target needs") {
  CHECK(shown(outlined("tools")) ==
        "tools: has the compiler\n"
        "REGISTRY=example.org () 1-1\n"
        "IMAGE=example.org/base (is what the tools are on) 3-3\n"
        "FLAGS=-O2 (go to the compiler) 9-10\n"
        "keyO2 11-11\n"
        "default 11-11\n");
  CHECK(shown(outlined("")) ==
        ": \n"
        "REGISTRY=example.org () 1-1\n"
        "IMAGE=example.org/base (is what the tools are on) 3-3\n"
        "FLAGS=own () 18-18\n"
        "keyO2 11-11\n"
        "token required 19-19\n"
        "default required 11-11\n");
  CHECK(shown(outlined("never")) == "never: \nUNUSED=1 () 4-4\nNEVER=1 () 13-13\nunseen 14-14\n");
}

TEST_CASE("arguments of the caller show in an outline, and what they replace does not") {
  CHECK(shown(outlined("tools", {{"IMAGE", "mine"}, {"FLAGS", "-O3"}})) ==
        "tools: has the compiler\n"
        "IMAGE=mine (is what the tools are on) 3-3\n"
        "FLAGS=-O3 (go to the compiler) 9-10\n"
        "keyO3 11-11\n"
        "default 11-11\n");
}

TEST_CASE("the documents leave out what is empty") {
  const Tree tree = parse_tree("FROM a AS b\n");
  const Dockerfile file = parse_dockerfile(tree);
  CHECK(targets_document(targets(tree, file), "FROM a AS b\n").dump() ==
        R"({"targets":[{"name":"b","default":true,"base":"a",)"
        R"("location":{"ranges":[{"start":{"line":1},"end":{"line":1}}]}}],"sources":["RlJPTSBhIEFTIGIK"]})");
  const OrderedJson document = outline_document(outlined("tools"), "x");
  CHECK(document["args"][2].dump() == R"({"name":"FLAGS","description":"go to the compiler","value":"-O2",)"
                                      R"("location":{"ranges":[{"start":{"line":9},"end":{"line":10}}]}})");
  CHECK(document["ssh"][0].dump() ==
        R"({"name":"default","location":{"ranges":[{"start":{"line":11},"end":{"line":11}}]}})");
  CHECK_FALSE(outline_document(Outline(), "x").contains("args"));
}
