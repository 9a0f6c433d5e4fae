// What the two paths of `cp` mean.
#include "sandbox/engine/copy_paths.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::engine;

TEST_CASE("a colon makes a container's path, unless the word begins like a local one") {
  struct Row {
    const char *word, *container, *path;
  };
  constexpr Row rows[] = {{"box:/etc", "box", "/etc"}, {"box:etc", "box", "etc"}, {"box:", "box", ""},
                          {"box:/a:b", "box", "/a:b"}, {"./a:b", "", "./a:b"},    {"/a:b", "", "/a:b"},
                          {"../a:b", "", "../a:b"},    {"plain", "", "plain"},    {"-", "", "-"}};
  for (const Row& row : rows) {
    CAPTURE(row.word);
    const CopyPlace place = parse_copy_place(row.word);
    CHECK(place.container == row.container);
    CHECK(place.path == row.path);
    CHECK(place.is_stream() == (std::string_view(row.word) == "-"));
  }
}

TEST_CASE("a source has a name, and its end says what of it is meant") {
  struct Row {
    const char *path, *stripped, *name;
    bool contents, directory;
  };
  constexpr Row rows[] = {{"/a/b", "/a/b", "b", false, false}, {"/a/b/", "/a/b", "b", false, true},
                          {"/a/b/.", "/a/b", "b", true, true}, {"/a/b/./", "/a/b", "b", false, true},
                          {"/", "/", "", true, true},          {".", ".", "", true, true},
                          {"..", "..", "", true, false},       {"f", "f", "f", false, false},
                          {"/.", "/", "", true, true},         {"a//", "a", "a", false, true}};
  for (const Row& row : rows) {
    CAPTURE(row.path);
    const CopySource source = read_copy_source(row.path, false);
    CHECK(source.path == row.stripped);
    CHECK(source.name == row.name);
    CHECK(source.contents == row.contents);
    CHECK(source.directory == row.directory);
    CHECK(source.followed == row.directory);
    CHECK(read_copy_source(row.path, true).followed);
  }
}

TEST_CASE("Docker's table of sources and destinations") {
  const auto decide = [](const char* source, bool directory, CopyTarget target, bool slash) -> std::string {
    try {
      const CopyDecision decision = decide_copy(read_copy_source(source, false), directory, target, slash);
      return !decision.into_directory ? "as it" : decision.under_own_name ? "into it" : "contents into it";
    } catch (const Error& error) {
      return error.what();
    }
  };
  CHECK(decide("f", false, CopyTarget::absent, false) == "as it");
  CHECK(decide("f", false, CopyTarget::absent, true) == "no such directory");
  CHECK(decide("f", false, CopyTarget::other, false) == "as it");
  CHECK(decide("f", false, CopyTarget::other, true) == "not a directory");
  CHECK(decide("f", false, CopyTarget::directory, false) == "into it");
  CHECK(decide("f/", false, CopyTarget::directory, false) == "not a directory");
  CHECK(decide("d", true, CopyTarget::absent, false) == "as it");
  CHECK(decide("d", true, CopyTarget::absent, true) == "as it");
  CHECK(decide("d", true, CopyTarget::other, false) == "cannot copy directory");
  CHECK(decide("d", true, CopyTarget::directory, false) == "into it");
  CHECK(decide("d/.", true, CopyTarget::directory, true) == "contents into it");
  CHECK(decide("d/.", true, CopyTarget::absent, false) == "as it");
}
