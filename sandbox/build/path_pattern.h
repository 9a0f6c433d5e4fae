// A pattern for relative paths, as in .dockerignore: "*" and "?" within a name, "[a-z]", "**" for any number of
// directories, "\" before a character that is meant itself. Pure; matching takes time in proportion to path and
// pattern.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandbox::build {

class PathPattern {
 public:
  /// Throws InvalidInput for an unclosed "[", a range the wrong way round, a "\" at the end, or more than 4096 bytes.
  explicit PathPattern(std::string_view text);

  bool matches(std::string_view path) const;
  /// Nothing in it has a special meaning: it matches literal() alone.
  bool is_literal() const { return literal_; }
  std::string literal() const;

 private:
  struct Token {
    enum class Kind { character, any, star, directories, everything, one_of } kind = Kind::character;
    char character = 0;
    bool negated = false;
    std::vector<std::pair<unsigned char, unsigned char>> ranges = {};
    bool takes(char c) const;
  };
  std::size_t read_class(std::string_view text, std::size_t at);

  std::vector<Token> tokens_;
  bool literal_ = true;
};

/// The pattern that matches `path` alone.
std::string quoted_pattern(std::string_view path);

/// "a/./b/../c/" → "a/c"; without a leading "/"; "." for the root. What leads above the root stays there.
std::string clean_path(std::string_view path);

}  // namespace sandbox::build
