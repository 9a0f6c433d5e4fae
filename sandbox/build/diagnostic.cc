// See diagnostic.h.
#include "sandbox/build/diagnostic.h"

#include <algorithm>
#include <cctype>

namespace sandbox::build {
namespace {

constexpr std::size_t kWidestLine = 200;  // bytes that are shown of one

std::string_view line_of(std::string_view text, std::size_t number) {
  for (; number > 1 && !text.empty(); --number) {
    const auto end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

/// With tabs as single blanks, so that columns stand below each other.
std::string shown(std::string_view line) {
  std::string result(line.substr(0, kWidestLine));
  std::ranges::replace(result, '\t', ' ');
  return result;
}

bool same_letter(char a, char b) {
  return std::toupper(static_cast<unsigned char>(a)) == std::toupper(static_cast<unsigned char>(b));
}

/// Levenshtein's distance without regard to case.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (same_letter(a[i - 1], b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string excerpt(std::string_view text, std::size_t first, std::size_t last) {
  std::string result;
  constexpr std::size_t kMostLines = 10;
  for (std::size_t line = first; line <= last && line < first + kMostLines; ++line) {
    result += fmt::format("{}{:4} | {}", result.empty() ? "" : "\n", line, shown(line_of(text, line)));
  }
  return result;
}

std::string marked_excerpt(std::string_view file, std::string_view text, std::size_t first, std::size_t last) {
  const auto count = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  last = std::min(std::max(first, last), count);
  if (first == 0 || first > count) return {};
  std::size_t begin = first, end = last;
  for (std::size_t around = 0; around < (first == last ? 4U : 2U); ++around) {
    if (begin > 1) --begin, ++around;
    if (end != count) ++end, ++around;
  }
  std::string result = fmt::format("{}:{}\n--------------------\n", file, first);
  for (std::size_t line = begin; line <= end; ++line) {
    const bool meant = line >= first && line <= last;
    result += fmt::format(" {:3} | {} {}\n", line, meant ? ">>>" : "   ", shown(line_of(text, line)));
  }
  return result + "--------------------\n";
}

DockerfileError located(const Mistake& mistake, std::string_view file, std::string_view text) {
  const auto [line, column] = mistake.place;
  if (line == 0) return DockerfileError(fmt::format("{}: {}", file, mistake.what()), mistake.hint());
  std::string message = fmt::format("{}:{}:{}: {}\n{}", file, line, column, mistake.what(), excerpt(text, line, line));
  if (column <= kWidestLine) message += fmt::format("\n     | {:>{}}", '^', column);
  return DockerfileError(message, mistake.hint());
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongest = 40;
  if (word.size() > kLongest) return {};
  std::string_view best;
  std::size_t least = 3;  // more than two differences are another word
  for (const std::string_view candidate : candidates) {
    const std::size_t found = distance(word, candidate);
    if (found < std::min(least, candidate.size())) {
      least = found;
      best = candidate;
    }
  }
  return best.empty() ? std::string() : fmt::format("did you mean {}?", best);
}

}  // namespace sandbox::build
