// "Did you mean": what a mistyped word may have meant. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sandbox::cli {

/// The one of `known` that is nearest to `word`, by at most two letters that are wrong, missing, too many or swapped;
/// "" when there is none.
std::string_view suggestion(std::string_view word, std::span<const std::string_view> known);

/// "did you mean 'X'?" of it, "" when there is none.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace sandbox::cli
