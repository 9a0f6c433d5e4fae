// Which checks a Dockerfile wants, and how what they find is shown. What they find: cases/lint*.
#include "sandbox/build/lint.h"

#include <doctest/doctest.h>

#include "sandbox/base/base64.h"
#include "sandbox/base/json.h"
#include "sandbox/build/lint_rules.h"

using namespace sandbox;
using namespace sandbox::build;

TEST_CASE("options of checks are lists of rules, all of them, and whether a build fails") {
  const CheckOptions options = parse_check_options(" skip=JSONArgsRecommended, StageNameCasing; error=true");
  CHECK(options.skipped.contains("JSONArgsRecommended"));
  CHECK(options.skipped.contains("StageNameCasing"));
  CHECK(options.error);
  CHECK_FALSE(options.skip_all);
  CHECK(parse_check_options("skip=all").skip_all);
  CHECK(parse_check_options("experimental=all").experimental_all);
  CHECK_FALSE(parse_check_options("").error);
  for (const char* wrong : {"skip", "error=perhaps", "other=1", "skip=all;x"})
    CHECK_THROWS_AS((void)parse_check_options(wrong), InvalidInput);
}

TEST_CASE("warnings are shown with their lines, as BuildKit shows them") {
  const std::string text = "FROM busybox as a\nRUN one\nRUN two\nRUN three\n";
  CHECK(shown_check({}, "Dockerfile", text) == "Check complete, no warnings found.\n");
  CHECK(shown_check({{"FromAsCasing", "'as' and 'FROM' keywords' casing do not match", 1, 1}}, "Dockerfile", text) ==
        "Check complete, 1 warning has been found!\n"
        "\n"
        "WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/\n"
        "'as' and 'FROM' keywords' casing do not match\n"
        "Dockerfile:1\n"
        "--------------------\n"
        "   1 | >>> FROM busybox as a\n"
        "   2 |     RUN one\n"
        "   3 |     RUN two\n"
        "--------------------\n");
  const std::string two = shown_check({{"JSONArgsRecommended", "x", 2, 3}, {"UndefinedVar", "y", 4, 4}}, "D", text);
  CHECK(two.starts_with("Check complete, 2 warnings have been found!\n"));
  CHECK(two.find("rule/json-args-recommended/") != std::string::npos);
  CHECK(two.find("D:2\n--------------------\n   1 |     FROM busybox as a\n   2 | >>> RUN one\n   3 | >>> RUN two\n"
                 "   4 |     RUN three\n--------------------\n") != std::string::npos);
  const OrderedJson document = check_document({{"UndefinedVar", "y", 4, 4}}, "D", text);
  CHECK(document["warnings"][0]["ruleName"] == "UndefinedVar");
  CHECK(document["sources"][0]["data"] == base64(text));
}

TEST_CASE("names of secrets are told by their words") {
  for (const char* secret : {"API_KEY", "key", "Github_Token", "DATABASE_PASSWORD", "secret_MESSAGE", "AUTH"})
    CHECK(is_secret_name(secret));
  for (const char* none : {"KEYBOARD", "monkey", "PUBLIC_KEY", "KEY_FILE", "TOKEN_VERSION", "", "_"})
    CHECK_FALSE(is_secret_name(none));
}
