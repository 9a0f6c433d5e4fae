// See path_pattern.h. The meaning is that of moby/patternmatcher, which translates into regular expressions.
#include "sandbox/build/path_pattern.h"

#include <algorithm>

#include "sandbox/base/error.h"

namespace sandbox::build {
namespace {

constexpr std::size_t kLongest = 4096;

[[noreturn]] void fail(std::string_view text, const char* why) {
  throw InvalidInput(fmt::format("pattern '{}': {}", text, why));
}

}  // namespace

bool PathPattern::Token::takes(char c) const {
  switch (kind) {
    case Kind::character:
      return c == character;
    case Kind::any:
      return c != '/';
    case Kind::one_of: {
      const auto byte = static_cast<unsigned char>(c);
      const bool in =
          std::ranges::any_of(ranges, [&](auto range) { return byte >= range.first && byte <= range.second; });
      return c != '/' && in != negated;
    }
    default:
      return false;
  }
}

/// Behind "["; returns where the class ends.
std::size_t PathPattern::read_class(std::string_view text, std::size_t at) {
  Token token{Token::Kind::one_of};
  if (at < text.size() && text[at] == '^') {
    token.negated = true;
    ++at;
  }
  const auto take = [&] {
    if (at < text.size() && text[at] == '\\') ++at;
    if (at >= text.size()) fail(text, "an unclosed [");
    return static_cast<unsigned char>(text[at++]);
  };
  for (bool first = true; at >= text.size() || text[at] != ']' || first; first = false) {
    const unsigned char low = take();
    unsigned char high = low;
    if (at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']') {
      ++at;
      high = take();
    }
    if (low > high) fail(text, "a range the wrong way round");
    token.ranges.emplace_back(low, high);
  }
  tokens_.push_back(std::move(token));
  return at + 1;
}

PathPattern::PathPattern(std::string_view text) {
  using Kind = Token::Kind;
  if (text.size() > kLongest)
    throw InvalidInput(fmt::format("a pattern of {} bytes: at most {}", text.size(), kLongest));
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at++];
    literal_ = literal_ && c != '*' && c != '?' && c != '[';
    if (c == '*' && at < text.size() && text[at] == '*') {
      ++at;
      if (at < text.size() && text[at] == '/') ++at;
      tokens_.push_back({at == text.size() ? Kind::everything : Kind::directories});
    } else if (c == '*') {
      tokens_.push_back({Kind::star});
    } else if (c == '?') {
      tokens_.push_back({Kind::any});
    } else if (c == '[') {
      at = read_class(text, at);
    } else if (c == '\\') {
      if (at == text.size()) fail(text, "a \\ at the end");
      tokens_.push_back({Kind::character, text[at++]});
    } else {
      tokens_.push_back({Kind::character, c});
    }
  }
}

std::string PathPattern::literal() const {
  std::string text;
  for (const Token& token : tokens_) text += token.character;
  return text;
}

bool PathPattern::matches(std::string_view path) const {
  // reached[n]: the tokens so far can match the first n bytes.
  std::vector<bool> reached(path.size() + 1, false), next(path.size() + 1);
  reached[0] = true;
  for (const Token& token : tokens_) {
    const bool keeps =
        token.kind != Token::Kind::character && token.kind != Token::Kind::any && token.kind != Token::Kind::one_of;
    bool flowing = false;  // a run that began further left goes on
    next.assign(path.size() + 1, false);
    for (std::size_t n = 0; n <= path.size(); ++n) {
      if (!keeps) {
        next[n] = n > 0 && reached[n - 1] && token.takes(path[n - 1]);
        continue;
      }
      if (token.kind == Token::Kind::star && n > 0 && path[n - 1] == '/') flowing = false;
      const bool ends_here = token.kind != Token::Kind::directories || (n > 0 && path[n - 1] == '/');
      next[n] = reached[n] || (flowing && ends_here);
      flowing = flowing || reached[n];
    }
    reached.swap(next);
  }
  return reached[path.size()];
}

std::string quoted_pattern(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  std::string result;
  for (const std::string_view part : parts) result.append(result.empty() ? "" : "/").append(part);
  return result.empty() ? "." : result;
}

}  // namespace sandbox::build
