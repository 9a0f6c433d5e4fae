#include <doctest/doctest.h>

#include "sandbox/build/dockerfile.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

/// The error as the user sees it, with its hint.
std::string error_of(const std::string& text) {
  try {
    (void)parse_dockerfile(text);
  } catch (const Mistake& mistake) {
    const DockerfileError error = located(mistake, "Dockerfile", text);
    return std::string(error.what()) + (error.hint().empty() ? "" : "\nhint: " + error.hint());
  }
  return "no error";
}

}  // namespace

TEST_CASE("an error shows file, line, column and the line, and what may have been meant") {
  CHECK(error_of("FROM a\nCOPPY x y\n") ==
        "Dockerfile:2:1: unknown instruction: COPPY\n   2 | COPPY x y\n     | ^\nhint: did you mean COPY?");
  CHECK(error_of("FROM a\nCOPY \\\n\t--chwon=1 x y\n") ==
        "Dockerfile:3:2: unknown flag: --chwon\n   3 |  --chwon=1 x y\n     |  ^\nhint: did you mean chown?");
  CHECK(error_of("FROM a AS 1x") ==
        "Dockerfile:1:11: invalid name for build stage: \"1x\", name can't start with a number "
        "or contain symbols\n   1 | FROM a AS 1x\n     |           ^");
}

TEST_CASE("each instruction has its rules") {
  for (const char* bad : {"FROM",
                          "FROM a b",
                          "FROM a as",
                          "FROM --x=y a",
                          "RUN x",
                          "FROM a\nENV",
                          "FROM a\nENV x",
                          "FROM a\nENV a=b c",
                          "FROM a\nENV =b",
                          "FROM a\nLABEL =b",
                          "FROM a\nARG",
                          "FROM a\nARG =x",
                          "FROM a\nCOPY x",
                          "FROM a\nCOPY --from x y",
                          "FROM a\nCOPY --link=2 x y",
                          "FROM a\nADD --from=b x y",
                          "FROM a\nCOPY --checksum=b x y",
                          "FROM a\nRUN",
                          "FROM a\nRUN --network=moon x",
                          "FROM a\nRUN --security=insecure x",
                          "FROM a\nSHELL sh",
                          "FROM a\nSHELL []",
                          "FROM a\nEXPOSE",
                          "FROM a\nVOLUME",
                          "FROM a\nVOLUME [\"\"]",
                          "FROM a\nUSER",
                          "FROM a\nWORKDIR",
                          "FROM a\nSTOPSIGNAL",
                          "FROM a\nHEALTHCHECK",
                          "FROM a\nHEALTHCHECK RUN x",
                          "FROM a\nHEALTHCHECK CMD",
                          "FROM a\nHEALTHCHECK NONE x",
                          "FROM a\nHEALTHCHECK --interval=x CMD y",
                          "FROM a\nHEALTHCHECK --interval=1ns CMD y",
                          "FROM a\nHEALTHCHECK --retries=-1 CMD y",
                          "FROM a\nONBUILD ONBUILD RUN x",
                          "FROM a\nONBUILD FROM x",
                          "FROM a\nONBUILD NOPE",
                          "FROM a\nONBUILD",
                          "FROM a\nMAINTAINER",
                          "ARG x"}) {
    CAPTURE(bad);
    CHECK(error_of(bad) != "no error");
  }
}

TEST_CASE("an exec form that isn't JSON is for the shell") {
  const Dockerfile file = parse_dockerfile("FROM a\nRUN [\"a\", \"b\"]\nRUN ['a']\nCMD\n");
  const auto line = [&](std::size_t number) {
    return std::get<Run>(file.stages[0].instructions[number].action).command;
  };
  CHECK(line(0).words == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(line(0).shell);
  CHECK(line(1).shell);
}

TEST_CASE("durations are Go's") {
  CHECK(parse_duration("1m30s") == 90'000'000'000);
  CHECK(parse_duration("1.5h") == 5'400'000'000'000);
  CHECK(parse_duration("0") == 0);
  CHECK(parse_duration("250ms") == 250'000'000);
  for (const char* bad : {"", "5", "s", "1x", "1..2s", ".s", "-1s", "1e3s", "9999999999h"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad).has_value());
  }
}

TEST_CASE("a stage is found by name without regard to case, or by number, among those before") {
  const Dockerfile file = parse_dockerfile("FROM a AS One\nFROM b\nFROM c AS two");
  CHECK(file.find_stage("ONE", 3) == 0);
  CHECK(file.find_stage("1", 2) == 1);
  CHECK(file.find_stage("two", 2) == std::string::npos);
  CHECK(file.find_stage("", 3) == std::string::npos);
}
