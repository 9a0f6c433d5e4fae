// Text for people's eyes: Go's quotation, widths, columns, and what strangers' words may not do.
#include "sandbox/cli/format/text.h"

#include <doctest/doctest.h>

#include "sandbox/base/json.h"

namespace sandbox::cli {
namespace {

TEST_CASE("columns are at least 10 wide with 3 spaces between, and what follows the last tab is not padded") {
  CHECK(aligned("A\tB\nlonger than ten\tx\n") == "A                 B\nlonger than ten   x\n");
  CHECK(aligned("A\tB\n") == "A         B\n");
  CHECK(aligned("A\tB\nlonger\tx\n", {.minimum_width = 0, .padding = 1}) == "A      B\nlonger x\n");
  CHECK(aligned("") == "");
  CHECK(aligned("\n") == "\n");
}

// The expectations are what Go's tabwriter prints.
TEST_CASE("adjacent lines share a column, and a line without it ends it") {
  CHECK(aligned("a\tbbbbbbbbbbbb\tc\nno tab\na\tb\tc\n") ==
        "a         bbbbbbbbbbbb   c\nno tab\na         b         c\n");
  CHECK(aligned("a\t\n\tb\n") == "a         \n          b\n");
}

TEST_CASE("a column counts characters, as Go does, and a cut counts what a terminal has") {
  CHECK(aligned("日本語日本語日本\tx\n") == "日本語日本語日本   x\n");
  CHECK(ellipsis("twelve chars", 12) == "twelve chars");
  CHECK(ellipsis("thirteen char", 12) == "thirteen ch…");
  CHECK(ellipsis("日本語日本語", 12) == "日本語日本語");
  CHECK(ellipsis("日本語日本語日", 12) == "日本語日本…");
  CHECK(ellipsis("a日本語日本語", 12) == "a日本語日本…");
  CHECK(ellipsis("", 12) == "");
}

TEST_CASE("text is quoted as Go quotes it") {
  CHECK(go_quoted("a\tb\n\"c\\\x01\x7f") == R"("a\tb\n\"c\\\x01\x7f")");
  CHECK(go_quoted("é 日 \u200b\u202e\u009b\xff\U000E0001") == R"("é 日 \u200b\u202e\u009b\xff\U000e0001")");
}

TEST_CASE("what commands a terminal is shown, not sent") {
  CHECK(without_controls("a\033[31m\r\177b") == "a\\x1b[31m\\x0d\\x7fb");
  CHECK(without_controls("\xc2\x9b"
                         "1m") == "\\xc2\\x9b1m");
  CHECK(without_controls("a\tb\nc") == "a\tb\nc");
  CHECK(one_cell("a\tb\nc\033") == "a b c\\x1b");
  CHECK(json_for_terminals(OrderedJson{{"é", "\u009b"}}, -1) == R"({"\u00e9":"\u009b"})");
  CHECK(json_for_terminals(OrderedJson{{"b", "é"}, {"a", 1}}, -1) == R"({"b":"é","a":1})");
}

}  // namespace
}  // namespace sandbox::cli
