// Variables and quotes in a Dockerfile's words, as BuildKit's shell lexer has them (frontend/dockerfile/shell): $NAME,
// ${NAME}, ${NAME:-word} and its kin, ${NAME#pattern}, ${NAME%pattern}, ${NAME/pattern/text}. Pure; the text is a
// stranger's: nesting, patterns and results are bounded.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/error.h"

namespace sandbox::build {

/// The value of a variable, or none when it is not set.
using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

struct ExpandOptions {
  char escape = '\\';
  bool keep_quotes = false;                 ///< A here-document's content: quotes are ordinary characters.
  std::set<std::string>* missed = nullptr;  ///< Gets the names that aren't set, unless the text says what then.
};

/// One word: variables replaced; quotes and escape characters are gone. Throws InvalidInput.
std::string expand(std::string_view text, const Lookup& lookup, const ExpandOptions& options = {});

/// The same, cut into words at blanks that no quotes protect; those of values count, too.
std::vector<std::string> expand_words(std::string_view text, const Lookup& lookup, const ExpandOptions& options = {});

/// Quotes and escape characters are gone; "$" is an ordinary character. Throws InvalidInput.
std::string unquoted(std::string_view text, char escape);

}  // namespace sandbox::build
