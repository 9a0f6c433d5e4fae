#include <doctest/doctest.h>

#include "sandbox/build/tree.h"

using namespace sandbox;
using namespace sandbox::build;

TEST_CASE("every byte of a continued line is found again in the source") {
  const Tree tree = parse_tree("FROM a\n  RUN one \\\n# comment\n\n    two\\\nthree\n");
  REQUIRE(tree.nodes.size() == 2);
  const SourceText& rest = tree.nodes[1].rest;
  CHECK(tree.nodes[1].place == Place{2, 3});
  CHECK(rest.text() == "one     twothree");
  CHECK(rest.at(0) == Place{2, 7});
  CHECK(rest.at(rest.text().find("two")) == Place{5, 5});
  CHECK(rest.at(rest.text().find("three")) == Place{6, 1});
  CHECK(rest.from(rest.text().find("two")).at(4) == Place{6, 2});
}

TEST_CASE("directives count before anything else only") {
  CHECK(parse_tree("# escape=`\nFROM a`\nb").nodes[0].rest.text() == "ab");
  CHECK(parse_tree("#\n# escape=`\nFROM a`\n").nodes[0].rest.text() == "a`");
  CHECK(parse_tree("#syntax = docker/dockerfile:1\n# Check=skip=all\nFROM a").check == "skip=all");
  CHECK_THROWS_AS((void)parse_tree("# escape=x\nFROM a"), Mistake);
  CHECK_THROWS_AS((void)parse_tree("# escape=`\n# escape=`\nFROM a"), Mistake);
}

TEST_CASE("lines of Windows, a byte order mark and a missing newline at the end change nothing") {
  const Tree tree = parse_tree("\xEF\xBB\xBF# escape=`\r\nFROM a\r\nRUN x `\r\n  y\r\nRUN <<E\r\n1\r\nE");
  REQUIRE(tree.nodes.size() == 3);
  CHECK(tree.nodes[1].rest.text() == "x   y");
  CHECK(tree.nodes[2].heredocs[0].content == "1\n");
}

TEST_CASE("an escaped escape character ends the line") {
  CHECK(parse_tree("RUN a\\\\\nRUN b").nodes.size() == 2);
  CHECK(parse_tree("RUN a\\  \nb").nodes[0].rest.text() == "ab");
}

TEST_CASE("what can't be a Dockerfile is refused") {
  for (const std::string& bad : {std::string(""), std::string("# only a comment\n"), std::string("RUN a\0b", 7),
                                 std::string("RUN <<E\nnever ends\n"), std::string(max_dockerfile + 1, '\n')}) {
    CHECK_THROWS_AS((void)parse_tree(bad), Mistake);
  }
}
