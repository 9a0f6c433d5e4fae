// What is wrong with a Dockerfile, told as a compiler does: file, line, column, the source line, and a suggestion.
// Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/error.h"

namespace sandbox::build {

/// A place in the Dockerfile; both count from 1, columns in bytes. Line 0: none in particular.
struct Place {
  std::size_t line = 0, column = 1;
  bool operator==(const Place&) const = default;
};

/// A mistake at a place; whoever has the text makes a DockerfileError of it.
struct Mistake : InvalidInput {
  Mistake(Place at, const std::string& message, std::string remedy = {})
      : InvalidInput(message, std::move(remedy)), place(at) {}
  Place place;
};

/// "Dockerfile:3:6: unknown flag: --form", followed by the line and a mark below its column.
struct DockerfileError : InvalidInput {
  using InvalidInput::InvalidInput;
};
DockerfileError located(const Mistake& mistake, std::string_view file, std::string_view text);

/// "   3 | RUN false", for lines `first` to `last` of `text`, at most ten of them.
std::string excerpt(std::string_view text, std::size_t first, std::size_t last);

/// The same as BuildKit shows what it warns of: below "Dockerfile:3" and a rule, with lines around and ">>>" before
/// those that are meant.
std::string marked_excerpt(std::string_view file, std::string_view text, std::size_t first, std::size_t last);

/// "did you mean FROM?", when one of the candidates is near enough to be meant; "" otherwise.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace sandbox::build
