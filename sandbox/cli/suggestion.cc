// See suggestion.h.
#include "sandbox/cli/suggestion.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace sandbox::cli {
namespace {

/// Edits that make one word of the other, a swap of neighbours being one (optimal string alignment).
std::size_t distance(std::string_view one, std::string_view other) {
  std::vector<std::vector<std::size_t>> cost(one.size() + 1, std::vector<std::size_t>(other.size() + 1));
  for (std::size_t i = 0; i <= one.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= other.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= one.size(); ++i) {
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const std::size_t replaced = cost[i - 1][j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[one.size()][other.size()];
}

}  // namespace

std::string_view suggestion(std::string_view word, std::span<const std::string_view> known) {
  constexpr std::size_t longest = 64;  // no name is longer
  std::string_view best;
  std::size_t least = 3;
  if (word.size() > longest) return best;
  for (const std::string_view name : known) {
    const std::size_t edits = distance(word, name);
    if (edits >= least || edits >= name.size()) continue;  // a word of which nothing is left is no guess
    least = edits;
    best = name;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view meant = suggestion(word, known);
  return meant.empty() ? std::string() : fmt::format("did you mean '{}'?", meant);
}

}  // namespace sandbox::cli
