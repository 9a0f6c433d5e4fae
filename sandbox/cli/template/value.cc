// See value.h. Pure.
#include "sandbox/cli/template/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sandbox::cli::templates {
namespace {

/// strconv.FormatFloat with 'e' writes at least two digits of the exponent, as to_chars does.
std::string to_text(double number, std::chars_format format, int precision) {
  char buffer[512];
  const auto [end, error] = precision < 0 ? std::to_chars(buffer, buffer + sizeof buffer, number, format)
                                          : std::to_chars(buffer, buffer + sizeof buffer, number, format, precision);
  return error == std::errc{} ? std::string(buffer, end) : std::string();
}

/// The exponent of the shortest decimal form.
int exponent_of(double number) {
  const std::string text = to_text(number, std::chars_format::scientific, -1);
  int exponent = 0;
  const char* begin = text.data() + text.find('e') + 1;
  std::from_chars(*begin == '+' ? begin + 1 : begin, text.data() + text.size(), exponent);
  return exponent;
}

}  // namespace

bool Value::truth() const {
  if (record_ != nullptr) return true;
  if (json_ == nullptr || json_->is_null()) return false;
  if (json_->is_string()) return !text().empty();
  if (json_->is_boolean()) return json_->get<bool>();
  if (json_->is_number()) return json_->get<double>() != 0;
  return !json_->empty();
}

std::string Value::type_name() const {
  if (record_ != nullptr) return std::string(record_->type());
  if (boxed_) return "interface {}";
  switch (json_->type()) {
    case OrderedJson::value_t::string:
      return "string";
    case OrderedJson::value_t::boolean:
      return "bool";
    case OrderedJson::value_t::number_integer:
      return "int";
    case OrderedJson::value_t::number_unsigned:
      return "int";
    case OrderedJson::value_t::number_float:
      return "float64";
    case OrderedJson::value_t::array:
      return "[]interface {}";
    case OrderedJson::value_t::object:
      return type_ == GoType::map_of_strings ? "map[string]string" : "map[string]interface {}";
    default:
      return "<nil>";
  }
}

std::string printed_float(double number, char verb, int precision) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "+Inf" : "-Inf";
  const bool upper = verb == 'E' || verb == 'G';
  std::string text;
  if (verb == 'f' || verb == 'F') {
    text = to_text(number, std::chars_format::fixed, precision);
  } else if (verb == 'e' || verb == 'E') {
    text = to_text(number, std::chars_format::scientific, precision);
  } else if (precision >= 0) {
    text = to_text(number, std::chars_format::general, precision);
  } else {  // the shortest form, where strconv decides as if it had a precision of 6
    const int exponent = number == 0 ? 0 : exponent_of(number);
    const bool scientific = exponent < -4 || exponent >= 6;
    text = to_text(number, scientific ? std::chars_format::scientific : std::chars_format::fixed, -1);
  }
  if (upper) std::ranges::replace(text, 'e', 'E');
  return text;
}

std::vector<OrderedJson::const_iterator> sorted_members(const OrderedJson& object) {
  std::vector<OrderedJson::const_iterator> members;
  for (auto member = object.cbegin(); member != object.cend(); ++member) members.push_back(member);
  std::ranges::sort(members, [](const auto& one, const auto& other) { return one.key() < other.key(); });
  return members;
}

std::string printed(const OrderedJson& json) {
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number_float()) return printed_float(json.get<double>(), 'g', -1);
  if (json.is_null()) return "<nil>";
  if (!json.is_structured()) return json.dump();
  std::string text = json.is_array() ? "[" : "map[";
  const std::size_t begin = text.size();
  const auto gap = [&] { return text.size() > begin ? " " : ""; };
  if (json.is_array()) {
    for (std::size_t i = 0; i < json.size(); ++i) text += (i > 0 ? " " : "") + printed(json[i]);
  } else {
    for (const auto& member : sorted_members(json)) text += gap() + member.key() + ":" + printed(*member);
  }
  return text + "]";
}

std::string printed(const Value& value) {
  if (value.record() != nullptr) return printed(value.record()->all());
  if (value.none()) return "<no value>";
  if (value.is_null() && value.type() != GoType::plain) return value.type() == GoType::list ? "[]" : "map[]";
  return printed(*value.json());
}

std::string printed_together(std::span<const Value> values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && !values[i - 1].is_text() && !values[i].is_text()) text += ' ';
    text += values[i].none() ? "<nil>" : printed(values[i]);
  }
  return text;
}

}  // namespace sandbox::cli::templates
