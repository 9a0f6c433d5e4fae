#include "sandbox/base/json_fields.h"

#include <doctest/doctest.h>

using namespace sandbox;

namespace {

struct Box {
  int width = 0;
  std::vector<std::string> labels;
  int height = 7;  ///< Since version 2.
};

template <class A>
void describe(A& field, Described<Box> auto& box) {
  field("width", box.width);
  field("labels", box.labels);
  field.since(2, "height", box.height);
}

struct Shelf {
  Box box;
};

template <class A>
void describe(A& field, Described<Shelf> auto& shelf) {
  field("box", shelf.box);
}

Shelf read(const char* text, int newest = 2) { return read_versioned<Shelf>(parse_json(text, "test"), "shelf", newest); }

}  // namespace

TEST_CASE("a field that came later keeps its default in older documents, deep down too") {
  CHECK(read(R"({"version": 1, "box": {"width": 3, "labels": []}})").box.height == 7);
  CHECK(read(R"({"version": 2, "box": {"width": 3, "labels": [], "height": 5}})").box.height == 5);
}

TEST_CASE("in a document of its version, a field must be there") {
  CHECK_THROWS_WITH_AS(read(R"({"version": 2, "box": {"width": 3, "labels": []}})"),
                       "shelf: field 'box.height' is missing", InvalidInput);
  CHECK_THROWS_WITH_AS(read(R"({"version": 1, "box": {"width": 3}})"), "shelf: field 'box.labels' is missing",
                       InvalidInput);
}

TEST_CASE("a version that is absent, wrong or too new is refused") {
  CHECK_THROWS_WITH_AS(read(R"({"box": {}})"), "shelf: field 'version' is missing", InvalidInput);
  CHECK_THROWS_AS(read(R"({"version": 0, "box": {}})"), InvalidInput);
  CHECK_THROWS_AS(read(R"({"version": "2", "box": {}})"), InvalidInput);
  CHECK_THROWS_AS(read("[]"), InvalidInput);
  CHECK_THROWS_WITH_AS(read(R"({"version": 3, "box": {}})"),
                       "shelf: field 'version' is 3, of a newer sandbox: this one knows 2", InvalidInput);
}

TEST_CASE("what is written is read back") {
  const Shelf shelf{.box = {.width = 2, .labels = {"a"}, .height = 9}};
  const Shelf again = read_versioned<Shelf>(write_versioned(shelf, 2), "shelf", 2);
  CHECK(again.box.width == 2);
  CHECK(again.box.labels == shelf.box.labels);
  CHECK(again.box.height == 9);
}
