// A shell's pattern of "*", "?" and characters, in ${NAME#pattern} and its kin. Pure. Matching takes time in proportion
// to text and pattern, whatever they are; both are bounded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::build {

class ShellPattern {
 public:
  /// "\*", "\?" and "\\" stand for the characters. Throws InvalidInput.
  explicit ShellPattern(std::string_view text);

  // They throw InvalidInput for a text that is too long to be searched.
  std::string without_prefix(std::string_view text, bool longest) const;
  std::string without_suffix(std::string_view text, bool longest) const;
  /// With the first match, or all of them, replaced; each the longest at its place.
  std::string replaced(std::string_view text, std::string_view replacement, bool all) const;

 private:
  struct Token {
    enum class Kind { literal, any, star } kind = Kind::literal;
    char character = 0;
  };
  /// How much of the beginning of `text` matches; npos: nothing does.
  std::size_t match(std::string_view text, const std::vector<Token>& tokens, bool longest) const;

  std::vector<Token> tokens_;
};

}  // namespace sandbox::build
