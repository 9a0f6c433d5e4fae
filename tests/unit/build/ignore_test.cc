#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/build/ignore.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

bool matches(std::string_view pattern, std::string_view path) { return PathPattern(pattern).matches(path); }
bool ignores(std::string_view rules, std::string_view path) { return IgnoreRules::parse(rules).ignores(path); }

}  // namespace

TEST_CASE("patterns match as moby's do") {
  // moby/patternmatcher's own table, what is true and what is not.
  for (const auto& [pattern, path] :
       std::vector<std::pair<std::string, std::string>>{{"**", "file"},
                                                        {"**", "dir/file"},
                                                        {"**/", "file"},
                                                        {"**/", "dir/file"},
                                                        {"**/**", "dir/file"},
                                                        {"dir/**", "dir/file"},
                                                        {"dir/**", "dir/dir2/file"},
                                                        {"**/dir2/*", "dir/dir2/file"},
                                                        {"**/dir2/**", "dir/dir2/dir3/file"},
                                                        {"**file", "file"},
                                                        {"**file", "dir/file"},
                                                        {"**file", "dir/dir/file"},
                                                        {"**/file", "file"},
                                                        {"**/file", "dir/file"},
                                                        {"**/file*", "dir/dir/file.txt"},
                                                        {"**/file*txt", "dir/dir/file.txt"},
                                                        {"**/**/*.txt", "dir/dir/file.txt"},
                                                        {"a**/*.txt", "a/file.txt"},
                                                        {"a**/*.txt", "a/dir/file.txt"},
                                                        {"a/*.txt", "a/file.txt"},
                                                        {"a[b-d]e", "ace"},
                                                        {"a[^b-d]e", "aze"},
                                                        {"a?c", "abc"},
                                                        {"a\\*b", "a*b"},
                                                        {"[]a]", "]"},
                                                        {"[\\-x]", "-"},
                                                        {".*", ".foo"},
                                                        {"a(b)c/def", "a(b)c/def"},
                                                        {"a.|)$(}+{bc", "a.|)$(}+{bc"},
                                                        {"abc.def", "abc.def"},
                                                        {"*c", "abc"},
                                                        {"a*b*c*d*e*/f", "axbxcxdxe/f"}}) {
    CAPTURE(pattern);
    CAPTURE(path);
    CHECK(matches(pattern, path));
  }
  for (const auto& [pattern, path] :
       std::vector<std::pair<std::string, std::string>>{{"a**/*.txt", "a/dir/dir/x.md"},
                                                        {"a/*.txt", "a/dir/file.txt"},
                                                        {"a/*/*.txt", "a/file.txt"},
                                                        {"a[b-d]e", "aze"},
                                                        {"a?c", "a/c"},
                                                        {"a[^x]c", "a/c"},
                                                        {".*", "foo"},
                                                        {"abc.def", "abcdef"},
                                                        {"abc.def", "abcZdef"},
                                                        {"*c", "ab/c"},
                                                        {"a*b*c*d*e*/f", "axbxcxdxexxx/fff"},
                                                        {"**/file", "dir/xfile"},
                                                        {"a\\*b", "axb"},
                                                        {"dir/**", "dirx/file"}}) {
    CAPTURE(pattern);
    CAPTURE(path);
    CHECK_FALSE(matches(pattern, path));
  }
  for (const char* bad : {"[", "[a", "[b-a]", "a\\", "[]"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(PathPattern{bad}, InvalidInput);
  }
}

TEST_CASE("the last rule that matches a path or a directory above it decides") {
  CHECK(ignores("*.md\n!README.md", "x.md"));
  CHECK_FALSE(ignores("*.md\n!README.md", "README.md"));
  CHECK(ignores("!README.md\n*.md", "README.md"));
  CHECK(ignores("dir", "dir/a/b"));
  CHECK_FALSE(ignores("dir\n!dir/a", "dir/a/b"));
  CHECK(ignores("*\n!src\nsrc/*.o", "src/x.o"));
  CHECK_FALSE(ignores("*\n!src\nsrc/*.o", "src/x.c"));
  CHECK_FALSE(ignores("# dir\n\n  \n", "dir"));
  CHECK(ignores("/dir/", "dir"));
  CHECK(ignores("./a/../dir", "dir"));
  CHECK(ignores("  dir  ", "dir"));
  CHECK(ignores("a\r\nb\r\n", "a"));
  CHECK_FALSE(ignores("*/temp*", "temp"));
  CHECK(ignores("*/temp*", "sub/temporary"));
  CHECK_FALSE(ignores("**\n! keep", "keep"));
}

TEST_CASE("a bad pattern is named with its line") {
  CHECK_THROWS_WITH((void)IgnoreRules::parse("ok\n[x\n"), "line 2: pattern '[x': an unclosed [");
  CHECK_THROWS_WITH((void)IgnoreRules::parse("!"), "line 1: illegal exclusion pattern: \"!\"");
}

TEST_CASE("paths are cleaned as Go does") {
  CHECK(clean_path("/a/./b//../c/") == "a/c");
  CHECK(clean_path("") == ".");
  CHECK(clean_path("../../a") == "a");
  CHECK(clean_path("/") == ".");
}
