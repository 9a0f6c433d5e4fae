#include <doctest/doctest.h>

#include <map>

#include "sandbox/build/expand.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

std::optional<std::string> look_up(const std::string& name) {
  static const std::map<std::string, std::string> variables = {
      {"A", "one"}, {"EMPTY", ""}, {"PATH", "/a/b/c.tar.gz"}, {"TWO", "x y"}, {"_1", "under"}};
  const auto found = variables.find(name);
  return found == variables.end() ? std::nullopt : std::optional(found->second);
}

std::string of(std::string_view text) { return expand(text, look_up); }

}  // namespace

TEST_CASE("variables are replaced by their values, or by nothing") {
  CHECK(of("$A") == "one");
  CHECK(of("${A}") == "one");
  CHECK(of("a${A}b$A-c") == "aonebone-c");
  CHECK(of("$NONE${NONE}x") == "x");
  CHECK(of("$_1") == "under");
  CHECK(of("$") == "$");
  CHECK(of("a$ b") == "a$ b");
  CHECK(of("$1$@") == "");
}

TEST_CASE("the operators for unset and empty variables do what a shell's do") {
  CHECK(of("${A:-no}") == "one");
  CHECK(of("${NONE:-no}") == "no");
  CHECK(of("${EMPTY:-no}") == "no");
  CHECK(of("${EMPTY-no}") == "");
  CHECK(of("${NONE-$A}") == "one");
  CHECK(of("${A:+yes}") == "yes");
  CHECK(of("${EMPTY:+yes}") == "");
  CHECK(of("${EMPTY+yes}") == "yes");
  CHECK(of("${NONE:-${A:+${TWO}}}") == "x y");
  CHECK(of("${A?gone}") == "one");
  CHECK_THROWS_WITH(of("${NONE?gone}"), "NONE: gone");
  CHECK_THROWS_WITH(of("${NONE?}"), "NONE: is not allowed to be unset");
  CHECK_THROWS_WITH(of("${EMPTY:?}"), "EMPTY: is not allowed to be empty");
}

TEST_CASE("patterns take away from a value, or replace in it") {
  CHECK(of("${PATH#*/}") == "a/b/c.tar.gz");
  CHECK(of("${PATH##*/}") == "c.tar.gz");
  CHECK(of("${PATH%.*}") == "/a/b/c.tar");
  CHECK(of("${PATH%%.*}") == "/a/b/c");
  CHECK(of("${PATH#x}") == "/a/b/c.tar.gz");
  CHECK(of("${PATH/b/B}") == "/a/B/c.tar.gz");
  CHECK(of("${PATH//\\//-}") == "-a-b-c.tar.gz");
  CHECK(of("${PATH//a/$A}") == "/one/b/c.toner.gz");
  CHECK(of("${PATH/?tar/}") == "/a/b/c.gz");
  CHECK(of("${A#o?}") == "e");
  CHECK_THROWS(of("${A#" + std::string(100, 'x') + "}"));
}

TEST_CASE("quotes and escape characters protect, and go") {
  CHECK(of("'$A'") == "$A");
  CHECK(of("\"$A\"") == "one");
  CHECK(of("\\$A") == "$A");
  CHECK(of("\"\\$A \\\\ \\x\"") == "$A \\ \\x");
  CHECK(of("a\\ b") == "a b");
  CHECK(of("a\\") == "a\\");
  CHECK(expand("`$A \\x", look_up, {.escape = '`'}) == "$A \\x");
  CHECK(expand("it's \"$A\" \\$A \\n", look_up, {.keep_quotes = true}) == "it's \"one\" $A \\n");
  CHECK(unquoted("\"a b\"'$c'", '\\') == "a b$c");
}

TEST_CASE("words are cut at blanks that no quotes protect") {
  using Words = std::vector<std::string>;
  CHECK(expand_words("a $TWO \"$TWO\" '' b", look_up) == Words{"a", "x", "y", "x y", "", "b"});
  CHECK(expand_words("${NONE:-1 2}", look_up) == Words{"1", "2"});
  CHECK(expand_words("  ", look_up).empty());
}

TEST_CASE("what is not closed or not known is refused") {
  for (const char* bad :
       {"${A", "${", "${}", "${:-x}", "${A:}", "${A!x}", "'a", "\"a", "${A:-x", "${A/x", "${A/x/y", "${A^}"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS((void)of(bad), InvalidInput);
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "${NONE:-";
  CHECK_THROWS_AS((void)of(deep), InvalidInput);
}
