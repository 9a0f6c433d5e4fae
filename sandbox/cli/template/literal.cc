// Numbers and characters as Go's source has them: see tree.h.
#include <fmt/format.h>

#include <charconv>

#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/tree.h"

namespace sandbox::cli::templates {
namespace {

/// Digits with underscores where Go allows them (after a base, or in hexadecimal only); none: malformed.
std::string without_underscores(std::string_view text) {
  std::string plain(text);
  std::erase(plain, '_');
  return plain;
}

bool parse_integer(std::string_view text, OrderedJson& value) {
  const bool negative = text.starts_with('-');
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 8;
    text.remove_prefix(letter == 'x' || letter == 'o' || letter == 'b' ? 2 : 1);
  }
  const std::string digits = without_underscores(text);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty()) return false;
  constexpr std::uint64_t top = 1ULL << 63U;
  if (number > top && negative) return false;
  if (number >= top && !negative)
    value = number;  // evaluating it is the error
  else
    value = static_cast<std::int64_t>(negative ? ~number + 1 : number);
  return true;
}

bool parse_float(std::string_view text, OrderedJson& value) {
  std::string digits = without_underscores(text);
  const bool negative = digits.starts_with('-');
  if (digits.starts_with('+') || negative) digits.erase(0, 1);
  const bool hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
  if (hexadecimal) digits.erase(0, 2);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number,
                                            hexadecimal ? std::chars_format::hex : std::chars_format::general);
  if (error != std::errc{} || end != digits.data() + digits.size()) return false;
  value = negative ? -number : number;
  return true;
}

}  // namespace

std::string read_number(std::string_view text, OrderedJson& value) {
  if (text.ends_with('i')) return fmt::format("complex numbers are not known here: {}", text);
  if (parse_integer(text, value)) return {};
  const bool looks_like_integer = text.find_first_of(".eEpP") == text.npos;
  if (!parse_float(text, value)) return fmt::format("illegal number syntax: {}", go_quoted(text));
  if (looks_like_integer) return fmt::format("integer overflow: {}", go_quoted(text));
  return {};
}

std::string read_character(std::string_view literal, OrderedJson& value) {
  std::string text;
  std::string as_string = fmt::format("\"{}\"", literal.substr(1, literal.size() - 2));
  if (literal == "'\"'")
    as_string = "\"\\\"\"";
  else if (literal == "'\\''")
    as_string = "\"'\"";
  std::string_view rest = text;
  if (!unquote(as_string, text) || (rest = text).empty()) return "invalid syntax";
  value = static_cast<std::int64_t>(next_character(rest));
  return rest.empty() ? std::string() : fmt::format("malformed character constant: {}", literal);
}

}  // namespace sandbox::cli::templates
