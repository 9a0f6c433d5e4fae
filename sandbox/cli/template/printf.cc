// fmt.Sprintf of Go for the values of templates (package fmt, "Printing"). Pure.
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/value.h"

namespace sandbox::cli::templates {
namespace {

constexpr int kWidest = 1'000'000;  // fmt's own bound for widths and precisions

struct Directive {
  bool plus = false, minus = false, sharp = false, space = false, zero = false;
  std::optional<int> width, precision;
  std::size_t limit = 0;  ///< Bytes that lists and maps may come to.
  char32_t verb = 0;
};

std::string padded(std::string text, const Directive& how, bool zeros = false) {
  const std::size_t width = static_cast<std::size_t>(how.width.value_or(0)), has = characters_in(text);
  if (has >= width) return text;
  if (how.minus) return text.append(width - has, ' ');
  if (!zeros) return std::string(width - has, ' ') + text;
  const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
  return text.insert(sign, width - has, '0');
}

std::string verb_text(char32_t verb) {
  std::string text;
  append_character(text, verb);
  return text;
}

/// "%!d(string=hi)"
std::string bad_verb(const OrderedJson& value, const Directive& how) {
  if (value.is_null()) return fmt::format("%!{}(<nil>)", verb_text(how.verb));
  return fmt::format("%!{}({}={})", verb_text(how.verb), Value(value).type_name(), printed(value));
}

std::string hexadecimal(std::string_view text, bool upper) {
  std::string digits;
  for (const char c : text) digits += upper ? fmt::format("{:02X}", c & 0xFF) : fmt::format("{:02x}", c & 0xFF);
  return digits;
}

std::string format_string(const std::string& text, const Directive& how) {
  std::string cut = text;
  if (how.precision) {
    std::string_view rest = text;
    for (int i = 0; i < *how.precision && !rest.empty(); ++i) next_character(rest);
    cut.resize(text.size() - rest.size());
  }
  switch (how.verb) {
    case 'v':
      return padded(how.sharp ? go_quoted(cut) : cut, how);
    case 's':
      return padded(cut, how);
    case 'q':
      if (how.sharp && cut.find_first_of("`\n\r") == cut.npos) return padded("`" + cut + "`", how);
      return padded(go_quoted(cut), how);
    case 'x':
      return padded((how.sharp && !cut.empty() ? "0x" : "") + hexadecimal(cut, false), how);
    case 'X':
      return padded((how.sharp && !cut.empty() ? "0X" : "") + hexadecimal(cut, true), how);
    default:
      return bad_verb(text, how);
  }
}

std::string quoted_character(char32_t character) {
  std::string text;
  append_character(text, character);
  if (character == '\'') return "'\\''";
  if (character == '"') return "'\"'";
  const std::string quoted = go_quoted(text);
  return "'" + quoted.substr(1, quoted.size() - 2) + "'";
}

/// Digits of the magnitude in the verb's base, with its prefix.
std::string digits_of(std::uint64_t magnitude, const Directive& how) {
  std::string digits;
  switch (how.verb) {
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      break;
    case 'o':
    case 'O':
      digits = fmt::format("{:o}", magnitude);
      break;
    case 'x':
      digits = fmt::format("{:x}", magnitude);
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude);
      break;
    default:
      digits = fmt::format("{}", magnitude);
      break;
  }
  if (how.precision) {
    if (*how.precision == 0 && magnitude == 0) return {};
    const auto least = static_cast<std::size_t>(*how.precision);
    if (digits.size() < least) digits.insert(0, least - digits.size(), '0');
  }
  if (how.verb == 'O') return "0o" + digits;
  if (!how.sharp) return digits;
  return (how.verb == 'b'   ? "0b"
          : how.verb == 'o' ? "0"
          : how.verb == 'x' ? "0x"
          : how.verb == 'X' ? "0X"
                            : "") +
         digits;
}

std::string format_integer(const OrderedJson& value, const Directive& how) {
  const bool negative = !value.is_number_unsigned() && value.get<std::int64_t>() < 0;
  const auto magnitude =
      negative ? ~static_cast<std::uint64_t>(value.get<std::int64_t>()) + 1 : value.get<std::uint64_t>();
  const auto character = static_cast<char32_t>(std::min<std::uint64_t>(negative ? 0x110000 : magnitude, 0x110000));
  switch (how.verb) {
    case 'c':
      return padded(verb_text(character), how);
    case 'q':
      return padded(quoted_character(character), how);
    case 'U':
      return padded(fmt::format("U+{:04X}", magnitude), how);
    case 'v':
    case 'd':
    case 'b':
    case 'o':
    case 'O':
    case 'x':
    case 'X':
      break;
    default:
      return bad_verb(value, how);
  }
  const char* sign = negative ? "-" : how.plus ? "+" : how.space ? " " : "";
  return padded(sign + digits_of(magnitude, how), how, how.zero && !how.precision);
}

std::string format_float(double number, const Directive& how) {
  const char verb = how.verb == 'v' ? 'g' : static_cast<char>(how.verb);
  if (std::string_view("eEfFgG").find(verb) == std::string_view::npos || how.verb > 0x7F) return bad_verb(number, how);
  const bool shortest = verb == 'g' || verb == 'G';
  std::string text = printed_float(number, verb, how.precision ? *how.precision : shortest ? -1 : 6);
  const bool sign = text[0] == '-' || text[0] == '+';
  if (!sign && how.plus)
    text.insert(0, "+");
  else if (!sign && how.space)
    text.insert(0, " ");
  return padded(text, how, how.zero && text.find_first_of("NI") == text.npos);
}

std::string format_value(const OrderedJson& value, const Directive& how);

std::string format_structured(const OrderedJson& value, const Directive& how) {
  std::string text = value.is_array() ? "[" : "map[";
  bool first = true;
  const auto add = [&](const std::string& part) {
    if (!std::exchange(first, false)) text += ' ';
    if (part.size() > how.limit - std::min(how.limit, text.size())) throw InvalidInput("the output is too long");
    text += part;
  };
  if (value.is_array()) {
    for (const auto& element : value) add(format_value(element, how));
  } else {
    for (const auto& member : sorted_members(value))
      add(format_value(member.key(), how) + ":" + format_value(*member, how));
  }
  return text + "]";
}

std::string format_value(const OrderedJson& value, const Directive& how) {
  if (value.is_structured()) return format_structured(value, how);
  if (value.is_string()) return format_string(value.get<std::string>(), how);
  if (value.is_number_integer()) return format_integer(value, how);
  if (value.is_number_float()) return format_float(value.get<double>(), how);
  if (value.is_boolean() && (how.verb == 'v' || how.verb == 't'))
    return padded(value.get<bool>() ? "true" : "false", how);
  if (value.is_null() && how.verb == 'v') return padded("<nil>", how);
  return bad_verb(value, how);
}

class Printer {
 public:
  Printer(std::string_view format, std::span<const Value> values, std::size_t limit)
      : rest_(format), values_(values), limit_(limit) {}

  std::string run() {
    while (!rest_.empty()) {
      const std::size_t percent = std::min(rest_.find('%'), rest_.size());
      append(std::string(rest_.substr(0, percent)));
      rest_.remove_prefix(percent);
      if (rest_.empty()) break;
      rest_.remove_prefix(1);
      directive();
    }
    if (!reordered_ && next_ < values_.size()) append(extra());
    return std::move(text_);
  }

 private:
  void append(const std::string& more) {
    if (more.size() > limit_ - text_.size()) throw InvalidInput("the output is too long");
    text_ += more;
  }

  void directive() {
    Directive how;
    how.limit = limit_;
    flags(how);
    position();
    how.width = number_or_star();
    if (how.width && *how.width < 0) {
      how.minus = true;
      how.width = -*how.width;
    }
    if (rest_.starts_with('.')) {
      rest_.remove_prefix(1);
      position();
      how.precision = number_or_star().value_or(0);
      if (*how.precision < 0) how.precision.reset();
    }
    position();
    if (rest_.empty()) return append("%!(NOVERB)");
    how.verb = next_character(rest_);
    if (how.minus) how.zero = false;
    if (how.verb == '%') return append("%");
    if (bad_position_) return append(fmt::format("%!{}(BADINDEX)", verb_text(how.verb)));
    if (next_ >= values_.size()) return append(fmt::format("%!{}(MISSING)", verb_text(how.verb)));
    append(formatted(values_[next_++], how));
  }

  static std::string formatted(const Value& value, const Directive& how) {
    if (how.verb == 'T') return padded(value.none() || value.is_null() ? "<nil>" : value.unboxed().type_name(), how);
    if (value.record() != nullptr) return format_value(value.record()->all(), how);
    return format_value(value.none() ? OrderedJson() : *value.json(), how);
  }

  void flags(Directive& how) {
    for (; !rest_.empty(); rest_.remove_prefix(1)) {
      switch (rest_[0]) {
        case '+':
          how.plus = true;
          break;
        case '-':
          how.minus = true;
          break;
        case '#':
          how.sharp = true;
          break;
        case ' ':
          how.space = true;
          break;
        case '0':
          how.zero = true;
          break;
        default:
          return;
      }
    }
  }

  /// "[2]": the next value is the second.
  void position() {
    if (!rest_.starts_with('[')) return;
    const std::size_t end = rest_.find(']');
    reordered_ = true;
    if (end == rest_.npos) {
      bad_position_ = true;
      rest_ = {};
      return;
    }
    std::string_view inside = rest_.substr(1, end - 1);
    const std::optional<int> number = take_digits(inside);
    bad_position_ = !number || !inside.empty() || *number < 1 || static_cast<std::size_t>(*number) > values_.size();
    if (!bad_position_) next_ = static_cast<std::size_t>(*number) - 1;
    rest_.remove_prefix(end + 1);
  }

  static std::optional<int> take_digits(std::string_view& from) {
    std::optional<int> number;
    for (; !from.empty() && from[0] >= '0' && from[0] <= '9'; from.remove_prefix(1)) {
      number = std::min(number.value_or(0) * 10 + (from[0] - '0'), kWidest);
    }
    return number;
  }

  std::optional<int> number_or_star() {
    if (!rest_.starts_with('*')) return take_digits(rest_);
    rest_.remove_prefix(1);
    if (next_ >= values_.size() || !values_[next_].is_integer()) {
      if (next_ < values_.size()) ++next_;
      append("%!(BADWIDTH)");
      return {};
    }
    const auto number = values_[next_++].json()->get<std::int64_t>();
    return static_cast<int>(std::clamp<std::int64_t>(number, -kWidest, kWidest));
  }

  std::string extra() const {
    std::string text = "%!(EXTRA ";
    for (std::size_t i = next_; i < values_.size(); ++i) {
      if (i > next_) text += ", ";
      const bool nil = values_[i].none() || values_[i].is_null();
      text += nil ? "<nil>" : values_[i].unboxed().type_name() + "=" + printed(values_[i]);
    }
    return text + ")";
  }

  std::string_view rest_;
  std::span<const Value> values_;
  std::size_t limit_, next_ = 0;
  bool reordered_ = false, bad_position_ = false;
  std::string text_;
};

}  // namespace

std::string printed_by(std::string_view format, std::span<const Value> values, std::size_t limit) {
  return Printer(format, values, limit).run();
}

}  // namespace sandbox::cli::templates
