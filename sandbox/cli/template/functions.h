// The functions that templates call. Pure.
#pragma once

#include <span>
#include <string_view>

#include "sandbox/cli/template/value.h"

namespace sandbox::cli::templates {

struct Function {
  std::string_view name;
  /// One letter per parameter: s a string, i an integer, l a list of strings, v any value; then * for any number more.
  std::string_view parameters;
  /// Throws InvalidInput with the bare reason. `limit`: bytes that the result may have at most.
  Value (*call)(std::span<const Value> arguments, std::size_t limit);
  bool changes_words = false;  ///< Leaves a header's first argument alone.
};

/// nullptr: there is none.
const Function* find_function(std::string_view name);

}  // namespace sandbox::cli::templates
