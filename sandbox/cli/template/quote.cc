// Go's string literals (the language's specification, "String literals"). Pure.
#include <charconv>

#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/tree.h"

namespace sandbox::cli::templates {
namespace {

/// `count` digits of `base` from the front of `rest`; false when there are fewer.
bool take_number(std::string_view& rest, std::size_t count, int base, std::uint32_t& number) {
  if (rest.size() < count) return false;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + count, number, base);
  if (error != std::errc{} || end != rest.data() + count) return false;
  rest.remove_prefix(count);
  return true;
}

/// What follows a backslash.
bool take_escape(std::string_view& rest, std::string& text) {
  static constexpr std::string_view letters = "abfnrtv\\\"", meant = "\a\b\f\n\r\t\v\\\"";
  if (rest.empty()) return false;
  const char letter = rest[0];
  if (const auto found = letters.find(letter); found != letters.npos) {
    text += meant[found];
    rest.remove_prefix(1);
    return true;
  }
  std::uint32_t number = 0;
  if (letter >= '0' && letter <= '7') {
    if (!take_number(rest, 3, 8, number) || number > 0xFF) return false;
    text += static_cast<char>(number);
    return true;
  }
  rest.remove_prefix(1);
  if (letter == 'x') {
    if (!take_number(rest, 2, 16, number)) return false;
    text += static_cast<char>(number);
    return true;
  }
  if (letter != 'u' && letter != 'U') return false;
  if (!take_number(rest, letter == 'u' ? 4 : 8, 16, number)) return false;
  if (number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF)) return false;
  append_character(text, number);
  return true;
}

}  // namespace

bool unquote(std::string_view literal, std::string& text) {
  if (literal.size() < 2 || literal.front() != literal.back()) return false;
  const char quote = literal.front();
  std::string_view rest = literal.substr(1, literal.size() - 2);
  text.clear();
  if (quote == '`') {
    for (const char c : rest) {
      if (c != '\r') text += c;
    }
    return true;
  }
  while (!rest.empty()) {
    const char c = rest[0];
    rest.remove_prefix(1);
    if (c == '"' || c == '\n') return false;
    if (c != '\\')
      text += c;
    else if (!take_escape(rest, text))
      return false;
  }
  return true;
}

}  // namespace sandbox::cli::templates
