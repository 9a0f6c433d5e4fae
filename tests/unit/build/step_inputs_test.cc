#include <doctest/doctest.h>

#include "sandbox/build/step_inputs.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

using Lines = std::vector<std::string>;

StepInputs inputs() {
  return {{{"argv", {"sh", "-c", "make"}}, {"env", {"A=1", "B=2"}}},
          {"sha256:aaaaaaaaaaaaaaaa", "sha256:bb"},
          {{"src/one", "sha256:11"}, {"src/two", "sha256:22"}}};
}

}  // namespace

TEST_CASE("equal inputs have no differences, also after being kept") {
  CHECK(differences(inputs(), inputs()).empty());
  CHECK(differences(inputs(), inputs_from(to_json(inputs()))).empty());
}

TEST_CASE("each difference is told with what it was and what it is") {
  StepInputs now = inputs();
  now.definition["argv"] = {"sh", "-c", "make all"};
  now.definition["env"] = {"A=3", "C=4"};
  now.definition["user"] = "ann";
  now.base[0] = "sha256:cccccccccccccccc";
  now.files = {{"src/one", "sha256:33"}, {"src/three", "sha256:44"}};
  CHECK(differences(inputs(), now) ==
        Lines{R"(argv: "sh -c make" → "sh -c make all")", R"(variable A: "1" → "3")", R"(variable B: "2" → none)",
              R"(variable C: none → "4")", R"(user: none → "ann")",
              "layer 1 below: sha256:aaaaaaaaaaaa → sha256:cccccccccccc", "src/one: sha256:11 → sha256:33",
              "src/three: none → sha256:44", "src/two: sha256:22 → none"});
}

TEST_CASE("a layer more or less is a difference") {
  StepInputs now = inputs();
  now.base.emplace_back("sha256:cc");
  CHECK(differences(inputs(), now) == Lines{"layer 3 below: none → sha256:cc"});
  CHECK(differences(now, inputs()) == Lines{"layer 3 below: sha256:cc → none"});
}

TEST_CASE("of many files some are told") {
  StepInputs now = inputs();
  for (int i = 0; i < 30; ++i) now.files[std::to_string(i)] = "sha256:55";
  const Lines told = differences(inputs(), now);
  CHECK(told.size() == 11);
  CHECK(told.back() == "and 20 more files");
}

TEST_CASE("many files become few, and a change of one of them still shows") {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 5000; ++i) files["top/" + std::to_string(i % 50) + "/" + std::to_string(i)] = "sha256:1";
  const auto kept = condensed(files);
  CHECK(kept.size() == 50);
  files["top/7/7"] = "sha256:2";
  StepInputs before{Json::object(), {}, kept}, now{Json::object(), {}, condensed(files)};
  CHECK(differences(before, now).size() == 1);
  CHECK(differences(before, now)[0].starts_with("top/7: sha256:"));
  files.clear();
  for (int i = 0; i < 5000; ++i) files[std::to_string(i)] = "sha256:1";
  CHECK(condensed(files).size() == 1);
}
