// Templates: what Go's text/template says (templates.json, made by go_templates.go), and what is ours.
#include "sandbox/cli/template/template.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

namespace sandbox::cli::templates {
namespace {

std::string result(const std::string& text, const OrderedJson& data, const Options& options = {}) {
  try {
    return Template(text).execute(Value::of(data), options);
  } catch (const InvalidInput& error) {
    return std::string("error: ") + error.what();
  }
}

TEST_CASE("templates give what Go gives, and its errors") {
  const auto examples = OrderedJson::parse(read_file(TEST_DATA "/templates.json"));
  REQUIRE(examples["cases"].size() > 250);
  for (const auto& one : examples["cases"]) {
    const bool fails = one.contains("error");
    CAPTURE(one["template"].get<std::string>());
    const std::string expected = fails ? "error: " + one["error"].get<std::string>() : one.value("output", "");
    CHECK(result(one["template"], examples["data"], {.missing_is_error = one.contains("missing")}) == expected);
  }
}

TEST_CASE("newer Go's else with, and ranges over numbers") {
  const OrderedJson data = {{"Name", "web"}, {"Count", 3}};
  CHECK(result("{{with .Nope}}a{{else with .Name}}{{.}}{{else}}b{{end}}", data) == "web");
  CHECK(result("{{$k := 0}}{{$v := 0}}{{range $k, $v = .Count}}{{end}}{{$k}}{{$v}}", data) == "22");
  CHECK(result("{{range $, $ = .Name}}{{end}}", data).find("range can't iterate") != std::string::npos);
  CHECK(result("{{range $, $ = .Count}}{{$}}{{end}}", data) == "012");
  CHECK(result("{{range $i := .Count}}{{$i}}{{end}}{{range 0}}{{else}}none{{end}}", data) == "012none");
}

TEST_CASE("in Docker's structures maps may be asked for what they lack, and nulls are nil pointers") {
  const OrderedJson data = {{"Labels", {{"a", "1"}}}, {"Ports", {{"80/tcp", nullptr}}},
                            {"Binds", nullptr},       {"Env", {"A=1", "B=2"}},
                            {"Pid", nullptr},         {"Empty", nullptr}};
  static constexpr TypedMember types[] = {{"Labels", GoType::map_of_strings},
                                          {"Ports", GoType::map},
                                          {"Binds", GoType::list},
                                          {"Empty", GoType::map_of_strings}};
  const Options docker{.missing_is_error = true, .types = types};
  const auto given = [&](const char* text) { return result(text, data, docker); };
  CHECK(given("{{.Labels.a}}|{{.Labels.b}}|{{index .Labels \"a\"}}|{{index .Labels \"b\"}}|") == "1|<no value>|1||");
  CHECK(given("{{with $l := .Labels}}{{index $l \"b\"}}{{$l.b}}{{end}}") == "<no value>");
  CHECK(given("{{.Labelz}}") ==
        "error: template: :1:2: executing \"\" at <.Labelz>: map has no entry for key \"Labelz\"");
  CHECK(given("{{.Binds}} {{len .Binds}} {{range .Binds}}x{{else}}none{{end}} {{json .Binds}} {{join .Binds \",\"}}") ==
        "[] 0 none null ");
  CHECK(given("{{.Pid}} {{if .Pid}}x{{else}}none{{end}} {{.Empty}} {{index .Empty \"x\"}}.") == "<nil> none map[] .");
  CHECK(given("{{join .Env \" \"}} {{.Env}} {{.Labels}}") == "A=1 B=2 [A=1 B=2] map[a:1]");
  CHECK(given("{{(index (index .Ports \"443/tcp\") 0).HostPort}}")
            .ends_with("error calling index: index of untyped nil"));
  CHECK(given("{{range $port, $bound := .Ports}}{{$port}}{{range $bound}}x{{end}}{{end}}") == "80/tcp");
}

TEST_CASE("what a template makes is bounded in depth, work and memory") {
  const OrderedJson data = OrderedJson::object();
  const auto has = [&](const std::string& text, const char* reason) {
    return result(text, data).find(reason) != std::string::npos;
  };
  std::string deep = "1", ifs, ends;
  for (int i = 0; i < 200; ++i) {
    deep = "(" + deep + ")";
    ifs += "{{if 1}}";
    ends += "{{end}}";
  }
  CHECK(has("{{" + deep + "}}", "nested deeper than"));
  CHECK(has(ifs + ends, "nested deeper than"));
  CHECK(has("{{define \"T\"}}{{template \"T\"}}{{end}}{{template \"T\"}}", "exceeded maximum template depth"));
  CHECK(has("{{$x := \"abcdefgh\"}}{{range 40}}{{$x = print $x $x}}{{end}}", "the output is too long"));
  CHECK(has("{{range 2000000}}{{end}}", "too much work"));
  CHECK(has("{{range 1000}}{{printf \"%1000000d\" 1}}{{end}}", "the output is too long"));
  CHECK(has("{{pad \"x\" 9000000000000 1}}", "the output is too long"));
  CHECK(has("{{printf \"%900000s\" (slice (split (printf \"%90d\" 1) \"\") 0 60)}}", "the output is too long"));
  CHECK(has("{{$x := printf \"%999999d\" 1}}{{$x = print $x $x $x $x}}{{len (split $x \"\")}}", "the output is too long"));
}

class Row final : public Record {
 public:
  std::optional<std::size_t> parameters(std::string_view name) const override {
    if (name == "ID") return 0;
    if (name == "Label") return 1;
    return {};
  }
  OrderedJson call(std::string_view name, const std::string& argument) const override {
    return name == "ID" ? "abc" : "<" + argument + ">";
  }
  OrderedJson all() const override { return {{"ID", "abc"}}; }
  std::string_view type() const override { return "*formatter.RowContext"; }
};

TEST_CASE("the fields of a row are methods") {
  const Row row;
  const auto given = [&](const char* text) {
    try {
      return Template(text).execute(Value(row));
    } catch (const InvalidInput& error) {
      return std::string("error: ") + error.what();
    }
  };
  CHECK(given("{{.ID}} {{.Label \"x\"}} {{\"y\" | .Label}} {{json .}} {{with .}}{{.ID}}{{end}} {{$.ID}}") ==
        "abc <x> <y> {\"ID\":\"abc\"} abc abc");
  CHECK(given("{{.Nope}}") ==
        "error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type "
        "*formatter.RowContext");
  CHECK(given("{{.Label}}").ends_with("at <.Label>: wrong number of args for Label: want 1 got 0"));
  CHECK(given("{{.ID 1}}").ends_with("wrong number of args for ID: want 0 got 1"));
  CHECK(given("{{.Label 1}}").ends_with("at <1>: expected string; found 1"));
}

}  // namespace
}  // namespace sandbox::cli::templates
