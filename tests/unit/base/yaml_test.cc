// YAML as JSON's documents.
#include "sandbox/base/yaml.h"

#include <doctest/doctest.h>

#include <string>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox {
namespace {

std::string read(std::string_view text) { return parse_yaml(text, "file").dump(); }

std::string failure(std::string_view text) {
  try {
    return read(text);
  } catch (const InvalidInput& error) {
    return error.what();
  }
}

TEST_CASE("objects, lists and texts are those of JSON, in either style") {
  CHECK(read("a: 1\nb:\n- x y\n- 'null'\n- c: {d: [e, \"f\\n\"]}\n") ==
        R"({"a":"1","b":["x y","null",{"c":{"d":["e","f\n"]}}]})");
  CHECK(read("---\ntext: |\n  one\n  two\n...\n") == R"({"text":"one\ntwo\n"})");
  CHECK(read(R"({"as": ["json", {}]})") == R"({"as":["json",{}]})");
}

TEST_CASE("only plain words are null, and no word is a number or a truth value") {
  CHECK(read("[~, null, Null, '', \"~\", yes, true, 0x10, 1.5]") ==
        R"([null,null,null,"","~","yes","true","0x10","1.5"])");
  CHECK(read("a:\nb: ''\n") == R"({"a":null,"b":""})");
  CHECK(read("") == "null");
  CHECK(read("# nothing\n") == "null");
}

TEST_CASE("an anchor is no matter, and an alias repeats nothing") {
  CHECK(read("a: &x 1\n") == R"({"a":"1"})");
  CHECK(failure("a: &x [1]\nb: *x\n") ==
        "file: not valid YAML: line 2: an alias, and what stands elsewhere is not repeated here");
}

TEST_CASE("what has no one meaning is refused with its line") {
  CHECK(failure("a: 1\na: 2\n") == "file: an object has two members 'a'");
  CHECK(failure("a: 1\n---\nb: 1\n") == "file: not valid YAML: line 2: a second document");
  CHECK(failure("a: !!binary x\n") == "file: not valid YAML: line 1: a tag, which has no meaning here");
  CHECK(failure("- !own {}\n") == "file: not valid YAML: line 1: a tag, which has no meaning here");
  CHECK(failure("\n? [a]\n: b\n") == "file: not valid YAML: line 2: a key that is no text");
  CHECK(failure("a: [1\nb: 2\n").starts_with("file: not valid YAML: line 2: "));
  CHECK(failure("a: \xff\n").starts_with("file: not valid YAML: line 1: "));
}

TEST_CASE("depth is bounded, whatever is open") {
  CHECK(failure(std::string(64, '[') + std::string(64, ']')).starts_with("[["));
  CHECK(failure(std::string(100'000, '[')) == "file: nested deeper than 64 levels");
  std::string deep;
  for (std::size_t level = 0; level < 65; ++level) deep += std::string(level, ' ') + "a:\n";
  CHECK(failure(deep) == "file: nested deeper than 64 levels");
}

}  // namespace
}  // namespace sandbox
