// See functions.h. Messages are those of Go's text/template/funcs.go.
#include "sandbox/cli/template/functions.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "sandbox/base/error.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/tree.h"

namespace sandbox::cli::templates {
namespace {

using Values = std::span<const Value>;

[[noreturn]] void fail(const std::string& reason) { throw InvalidInput(reason); }

Value boolean(bool value) { return Value(OrderedJson(value)); }
Value text(std::string value) { return Value(OrderedJson(std::move(value))); }

std::string sprint(Values values) {
  return values.size() == 1 && values[0].is_text() ? values[0].text() : printed_together(values);
}

// --- Comparison
// -------------------------------------------------------------------------------------------------------

enum class Basic { none, boolean, integer, floating, string };

Basic basic_of(const Value& value) {
  const OrderedJson* json = value.json();
  if (json == nullptr || json->is_null() || json->is_structured()) return Basic::none;
  if (json->is_boolean()) return Basic::boolean;
  if (json->is_number_integer()) return Basic::integer;
  return json->is_number_float() ? Basic::floating : Basic::string;
}

bool is_nothing(const Value& value) { return value.none() || value.is_null(); }

bool equal(const Value& one, const Value& other) {
  const Basic kind = basic_of(one);
  if (kind != basic_of(other)) {
    if (!is_nothing(one) && !is_nothing(other)) fail("incompatible types for comparison");
    return false;
  }
  if (kind != Basic::none) return *one.json() == *other.json();
  if (is_nothing(one) || is_nothing(other)) return is_nothing(one) == is_nothing(other);
  fail(fmt::format("non-comparable type {}: {}", printed(other), other.unboxed().type_name()));
}

bool less(const Value& one, const Value& other) {
  const Basic kind = basic_of(one);
  if (kind == Basic::none || basic_of(other) == Basic::none) fail("invalid type for comparison");
  if (kind != basic_of(other)) fail("incompatible types for comparison");
  if (kind == Basic::boolean) fail("invalid type for comparison");
  return *one.json() < *other.json();
}

Value eq(Values values, std::size_t) {
  if (values.size() == 1) fail("missing argument for comparison");
  return boolean(std::ranges::any_of(values.subspan(1), [&](const Value& value) { return equal(values[0], value); }));
}
Value ne(Values values, std::size_t) { return boolean(!equal(values[0], values[1])); }
Value lt(Values values, std::size_t) { return boolean(less(values[0], values[1])); }
Value le(Values values, std::size_t) { return boolean(less(values[0], values[1]) || equal(values[0], values[1])); }
Value gt(Values values, std::size_t) { return boolean(!less(values[0], values[1]) && !equal(values[0], values[1])); }
Value ge(Values values, std::size_t) { return boolean(!less(values[0], values[1])); }
Value negation(Values values, std::size_t) { return boolean(!values[0].truth()); }

// --- Parts of values
// --------------------------------------------------------------------------------------------------

std::size_t position_in(const Value& index, std::size_t size) {
  if (is_nothing(index)) fail("cannot index slice/array with nil");
  if (!index.is_integer()) fail(fmt::format("cannot index slice/array with type {}", index.unboxed().type_name()));
  const auto position = index.json()->get<std::int64_t>();
  if (position < 0 || static_cast<std::uint64_t>(position) > size)
    fail(fmt::format("index out of range: {}", position));
  return static_cast<std::size_t>(position);
}

Value element(const Value& item, const Value& index) {
  const OrderedJson& json = *item.json();
  if (json.is_object()) {
    if (is_nothing(index)) fail("value is nil; should be of type string");
    if (!index.is_text()) fail(fmt::format("value has type {}; should be string", index.unboxed().type_name()));
    const auto member = json.find(index.text());
    if (member != json.end()) return item.inner(*member);
    return item.type() == GoType::map_of_strings ? text("") : Value(OrderedJson(nullptr));
  }
  if (!json.is_array() && !json.is_string())
    fail(fmt::format("can't index item of type {}", item.unboxed().type_name()));
  const std::size_t size = json.is_array() ? json.size() : item.text().size();
  const std::size_t position = position_in(index, size);
  if (position == size) fail(fmt::format("reflect: {} index out of range", json.is_array() ? "slice" : "string"));
  if (json.is_array()) return item.inner(json[position]);
  return Value(OrderedJson(static_cast<std::int64_t>(item.text()[position] & 0xFF)));
}

Value index(Values values, std::size_t) {
  Value item = values[0];
  if (is_nothing(item) && (item.none() || item.type() == GoType::plain)) fail("index of untyped nil");
  for (const Value& position : values.subspan(1)) {
    if (item.record() != nullptr) fail(fmt::format("can't index item of type {}", item.type_name()));
    if (!is_nothing(item))
      item = element(item, position);
    else if (item.type() == GoType::map)
      item = Value(OrderedJson(nullptr));
    else if (item.type() == GoType::map_of_strings)
      item = text("");
    else if (item.type() == GoType::list)
      fail(fmt::format("index out of range: {}", printed(position)));
    else
      fail("index of nil pointer");
  }
  return item;
}

Value slice(Values values, std::size_t) {
  const Value& item = values[0];
  if (is_nothing(item)) fail("slice of untyped nil");
  if (values.size() > 4) fail(fmt::format("too many slice indexes: {}", values.size() - 1));
  const bool list = item.json() != nullptr && item.json()->is_array();
  if (!list && !item.is_text()) fail(fmt::format("can't slice item of type {}", item.unboxed().type_name()));
  if (!list && values.size() == 4) fail("cannot 3-index slice a string");
  const std::size_t size = list ? item.json()->size() : item.text().size();
  std::array<std::size_t, 3> at = {0, size, size};
  for (std::size_t i = 1; i < values.size(); ++i) at[i - 1] = position_in(values[i], size);
  if (at[0] > at[1]) fail(fmt::format("invalid slice index: {} > {}", at[0], at[1]));
  if (at[1] > at[2]) fail(fmt::format("invalid slice index: {} > {}", at[1], at[2]));
  if (!list) return text(item.text().substr(at[0], at[1] - at[0]));
  OrderedJson part = OrderedJson::array();
  for (std::size_t i = at[0]; i < at[1]; ++i) part.push_back((*item.json())[i]);
  return Value(std::move(part));
}

Value length(Values values, std::size_t) {
  const Value& item = values[0];
  if (item.none() && item.record() == nullptr) fail("reflect: call of reflect.Value.Type on zero Value");
  if (item.is_null() && item.type() == GoType::plain) fail("len of nil pointer");
  if (item.is_null()) return Value(OrderedJson(0));
  const bool has_one = item.json() != nullptr && (item.json()->is_structured() || item.is_text());
  if (!has_one) fail(fmt::format("len of type {}", item.unboxed().type_name()));
  return Value(OrderedJson(static_cast<std::int64_t>(item.is_text() ? item.text().size() : item.json()->size())));
}

Value call(Values values, std::size_t) {
  if (is_nothing(values[0])) fail("call of nil");
  fail(fmt::format("non-function of type {}", values[0].unboxed().type_name()));
}

// --- Text
// -------------------------------------------------------------------------------------------------------------

Value print(Values values, std::size_t) { return text(printed_together(values)); }
Value printf(Values values, std::size_t limit) { return text(printed_by(values[0].text(), values.subspan(1), limit)); }
Value println(Values values, std::size_t) {
  std::string line;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ' ';
    line += values[i].none() ? "<nil>" : printed(values[i]);
  }
  return text(line + '\n');
}

Value html(Values values, std::size_t) {
  std::string escaped;
  for (const char c : sprint(values)) {
    switch (c) {
      case '\0':
        escaped += "\uFFFD";
        break;
      case '"':
        escaped += "&#34;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += c;
    }
  }
  return text(escaped);
}

Value js(Values values, std::size_t) {
  static constexpr std::string_view special = "\\'\"<>&=";
  static constexpr const char* escapes[] = {"\\\\", "\\'", "\\\"", "\\u003C", "\\u003E", "\\u0026", "\\u003D"};
  const std::string plain = sprint(values);
  std::string escaped;
  for (const char c : plain) {
    if (const auto found = special.find(c); found != special.npos)
      escaped += escapes[found];
    else if ((c & 0xE0) == 0)
      escaped += fmt::format("\\u{:04X}", c & 0xFF);
    else
      escaped += c;
  }
  return text(escaped);
}

/// url.QueryEscape
Value urlquery(Values values, std::size_t) {
  std::string escaped;
  for (const char c : sprint(values)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-_.~").find(c) != std::string_view::npos;
    if (plain)
      escaped += c;
    else if (c == ' ')
      escaped += '+';
    else
      escaped += fmt::format("%{:02X}", c & 0xFF);
  }
  return text(escaped);
}

Value json(Values values, std::size_t) {
  if (values[0].record() != nullptr) return text(json_for_terminals(values[0].record()->all(), -1));
  return text(values[0].none() ? "null" : json_for_terminals(*values[0].json(), -1));
}

Value split(Values values, std::size_t limit) {
  std::string_view rest = values[0].text(), separator = values[1].text();
  OrderedJson parts = OrderedJson::array();
  const auto add = [&](std::string_view part) {
    if (parts.size() >= limit / sizeof(std::string)) fail("the output is too long");
    parts.push_back(part);
  };
  if (separator.empty()) {
    while (!rest.empty()) {
      const std::string_view before = rest;
      next_character(rest);
      add(before.substr(0, before.size() - rest.size()));
    }
    return Value(std::move(parts));
  }
  for (std::size_t end = 0; (end = rest.find(separator)) != rest.npos; rest.remove_prefix(end + separator.size())) {
    add(rest.substr(0, end));
  }
  add(rest);
  return Value(std::move(parts));
}

Value join(Values values, std::size_t limit) {
  std::string joined;
  if (is_nothing(values[0])) return text("");
  for (const auto& part : *values[0].json()) {
    if (&part != &values[0].json()->front()) joined += values[1].text();
    joined += part.get_ref<const std::string&>();
    if (joined.size() > limit) fail("the output is too long");
  }
  return text(std::move(joined));
}

char upper_letter(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char lower_letter(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

Value upper(Values values, std::size_t) {
  std::string changed = values[0].text();
  std::ranges::transform(changed, changed.begin(), upper_letter);
  return text(std::move(changed));
}
Value lower(Values values, std::size_t) {
  std::string changed = values[0].text();
  std::ranges::transform(changed, changed.begin(), lower_letter);
  return text(std::move(changed));
}
/// strings.Title
Value title(Values values, std::size_t) {
  std::string changed = values[0].text();
  bool begins = true;
  for (char& c : changed) {
    if (begins) c = upper_letter(c);
    const bool in_word =
        lower_letter(c) != c || upper_letter(c) != c || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
    begins = !in_word;
  }
  return text(std::move(changed));
}

Value pad(Values values, std::size_t limit) {
  const std::string& source = values[0].text();
  if (source.empty()) return values[0];
  const auto before = values[1].json()->get<std::int64_t>(), after = values[2].json()->get<std::int64_t>();
  if (before < 0 || after < 0) fail("strings: negative Repeat count");
  const auto most = static_cast<std::int64_t>(limit);
  if (before > most || after > most) fail("the output is too long");
  const auto spaces = [](std::int64_t count) { return std::string(static_cast<std::size_t>(count), ' '); };
  return text(spaces(before) + source + spaces(after));
}

Value truncate(Values values, std::size_t) {
  const std::string& source = values[0].text();
  const auto length = values[1].json()->get<std::int64_t>();
  if (length < 0) fail(fmt::format("runtime error: slice bounds out of range [:{}]", length));
  return text(source.substr(0, static_cast<std::size_t>(length)));
}

/// `and` and `or` are the evaluator's: they don't evaluate what they don't need.
constexpr Function kFunctions[] = {
    {"and", "v*", nullptr},
    {"call", "v*", call},
    {"eq", "v*", eq},
    {"ge", "vv", ge},
    {"gt", "vv", gt},
    {"html", "*", html},
    {"index", "v*", index},
    {"join", "ls", join, true},
    {"js", "*", js},
    {"json", "v", json, true},
    {"le", "vv", le},
    {"len", "v", length},
    {"lower", "s", lower, true},
    {"lt", "vv", lt},
    {"ne", "vv", ne},
    {"not", "v", negation},
    {"or", "v*", nullptr},
    {"pad", "sii", pad},
    {"print", "*", print},
    {"printf", "s*", printf},
    {"println", "*", println},
    {"slice", "v*", slice},
    {"split", "ss", split, true},
    {"title", "s", title, true},
    {"truncate", "si", truncate, true},
    {"upper", "s", upper, true},
    {"urlquery", "*", urlquery},
};

static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));

}  // namespace

const Function* find_function(std::string_view name) {
  const auto found = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
  return found != std::end(kFunctions) && found->name == name ? &*found : nullptr;
}

bool is_function(std::string_view name) { return find_function(name) != nullptr; }

}  // namespace sandbox::cli::templates
