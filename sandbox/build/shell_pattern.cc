// See shell_pattern.h.
#include "sandbox/build/shell_pattern.h"

#include <algorithm>

#include "sandbox/base/error.h"

namespace sandbox::build {
namespace {

constexpr std::size_t kMostTokens = 64, kMostText = 4096;

void check_length(std::string_view text) {
  if (text.size() > kMostText) {
    throw InvalidInput(
        fmt::format("a value of {} bytes is too long for a pattern: at most {}", text.size(), kMostText));
  }
}

}  // namespace

ShellPattern::ShellPattern(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      if (++at == text.size()) throw InvalidInput("invalid pattern: a single backslash at the end");
      tokens_.push_back({Token::Kind::literal, text[at]});
    } else if (text[at] == '*') {
      tokens_.push_back({Token::Kind::star});
    } else if (text[at] == '?') {
      tokens_.push_back({Token::Kind::any});
    } else {
      tokens_.push_back({Token::Kind::literal, text[at]});
    }
  }
  if (tokens_.size() > kMostTokens)
    throw InvalidInput(fmt::format("a pattern of more than {} characters", kMostTokens));
}

std::size_t ShellPattern::match(std::string_view text, const std::vector<Token>& tokens, bool longest) const {
  // Lengths of the text that the tokens so far can match.
  std::vector<bool> reached(text.size() + 1, false);
  reached[0] = true;
  std::size_t least = 0;  // none below it is reached
  for (const Token& token : tokens) {
    if (token.kind == Token::Kind::star) {
      std::fill(reached.begin() + static_cast<std::ptrdiff_t>(least), reached.end(), true);
      continue;
    }
    std::size_t first = std::string_view::npos;
    for (std::size_t length = text.size(); length > least; --length) {
      const bool fits = token.kind == Token::Kind::any || text[length - 1] == token.character;
      reached[length] = reached[length - 1] && fits;
      if (reached[length]) first = length;
    }
    reached[least] = false;
    if (first == std::string_view::npos) return first;
    least = first;
  }
  if (!longest) return least;
  std::size_t most = text.size();
  while (!reached[most]) --most;
  return most;
}

std::string ShellPattern::without_prefix(std::string_view text, bool longest) const {
  check_length(text);
  const std::size_t length = match(text, tokens_, longest);
  return std::string(length == std::string_view::npos ? text : text.substr(length));
}

std::string ShellPattern::without_suffix(std::string_view text, bool longest) const {
  check_length(text);
  const std::string backwards(text.rbegin(), text.rend());
  const std::size_t length = match(backwards, {tokens_.rbegin(), tokens_.rend()}, longest);
  return std::string(length == std::string_view::npos ? text : text.substr(0, text.size() - length));
}

std::string ShellPattern::replaced(std::string_view text, std::string_view replacement, bool all) const {
  check_length(text);
  std::string result;
  if (tokens_.empty()) return std::string(text);
  for (bool more = true; !text.empty();) {
    const std::size_t length = more ? match(text, tokens_, true) : std::string_view::npos;
    if (length == std::string_view::npos || length == 0) {
      result += text.front();
      text.remove_prefix(1);
      continue;
    }
    result += replacement;
    text.remove_prefix(length);
    more = all;
  }
  return result;
}

}  // namespace sandbox::build
