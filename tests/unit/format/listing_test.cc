// Listings: tables, templates and JSON of rows.
#include "sandbox/cli/format/listing.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"

namespace sandbox::cli {
namespace {

struct Pet {
  std::string id, name;
  int legs;
};

constexpr Column<Pet> kColumns[] = {
    {"ID", "PET ID", [](const Pet& pet) { return pet.id; }},
    {"Name", "NAME", [](const Pet& pet) { return pet.name; }},
    {"Legs", "LEGS", [](const Pet& pet) { return fmt::format("{}", pet.legs); }},
};
constexpr Listing<Pet> kPets{"*formatter.PetContext", kColumns,
                             [](const Pet& pet, const std::string& name) { return pet.name + "'s " + name; }};
const std::vector<Pet> pets = {{"1", "Rex", 4}, {"2", "Tweety", 2}};

std::string listed(const std::string& format, const std::vector<Pet>& rows = pets, bool quiet = false) {
  return render_listing(kPets, chosen_format({format, quiet, "{{.ID}}\t{{.Name}}", "id: {{.ID}}"}), rows);
}

TEST_CASE("the table is there without a format, and its header without rows") {
  const std::string table = "PET ID    NAME\n1         Rex\n2         Tweety\n";
  CHECK(listed("") == table);
  CHECK(listed("table") == table);
  CHECK(listed("", {}) == "PET ID    NAME\n");
  CHECK(listed("", pets, true) == "1\n2\n");
}

TEST_CASE("a table of one's own has headers in capitals, whatever its functions do to the cells") {
  CHECK(listed("table {{.Name}}\\t{{.Legs}}") == "NAME      LEGS\nRex       4\nTweety    2\n");
  CHECK(listed("table {{.Name | upper}}\t{{truncate .Name 2}}") == "NAME      NAME\nREX       Re\nTWEETY    Tw\n");
  CHECK(listed("table {{.ID}}{{\"\\t\"}}{{lower (upper .Name)}}") ==
        "PET ID    NAME\n1         rex\n2         tweety\n");
  CHECK(listed("table {{.ID}}\t{{.Label \"com.example.pet-food\"}}") ==
        "PET ID    pet food\n1         Rex's com.example.pet-food\n2         Tweety's com.example.pet-food\n");
  CHECK(listed("table {{pad .ID 1 1}}|", {}) == " PET ID |\n");
  CHECK(listed("table {{json .Name}}\t{{range split .Name \"e\"}}{{.}}-{{end}}", {}) == "NAME      \n");
}

TEST_CASE("templates and JSON have a line for each row") {
  CHECK(listed("{{.Name}}={{.Legs}}") == "Rex=4\nTweety=2\n");
  CHECK(listed("  {{.Name}}\\n{{.ID}}  ", {pets[0]}) == "Rex\n1\n");
  CHECK(listed("json") ==
        "{\"ID\":\"1\",\"Legs\":\"4\",\"Name\":\"Rex\"}\n{\"ID\":\"2\",\"Legs\":\"2\",\"Name\":\"Tweety\"}\n");
  CHECK(listed("{{json .Name}}", {pets[0]}) == "\"Rex\"\n");
  CHECK(listed("raw", {pets[0]}) == "id: 1\n");
  CHECK(listed("{{.Name}}", {}) == "");
}

TEST_CASE("errors are Docker's") {
  CHECK_THROWS_WITH_AS(listed("{{.Nope}}"),
                       "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't "
                       "evaluate field Nope in type *formatter.PetContext",
                       InvalidInput);
  CHECK_THROWS_WITH_AS(listed("{{.Name"), "template parsing error: template: :1: unclosed action", InvalidInput);
  CHECK(listed("table {{.Nope}}", {}) == "<no value>\n");
}

TEST_CASE("a row's words can't leave their cell, nor command the terminal") {
  const std::vector<Pet> hostile = {{"1", "a\tb\nc\033[2J", 1}};
  CHECK(listed("", hostile) == "PET ID    NAME\n1         a b c\\x1b[2J\n");
  CHECK(listed("{{json .Name}}", hostile) == "\"a b c\\\\x1b[2J\"\n");
  CHECK(listed("json", hostile) == "{\"ID\":\"1\",\"Legs\":\"1\",\"Name\":\"a\\tb\\nc\\u001b[2J\"}\n");
}

}  // namespace
}  // namespace sandbox::cli
