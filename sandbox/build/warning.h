// What is dubious about a Dockerfile, though it can be built. Pure.
#pragma once

#include <cstddef>
#include <string>

namespace sandbox::build {

struct Warning {
  std::string rule;  ///< "StageNameCasing", see lint.h; empty: about the build as a whole.
  std::string message;
  std::size_t first_line = 0, last_line = 0;  ///< Counted from 1; 0: none in particular.
  bool operator==(const Warning&) const = default;
};

/// "StageNameCasing: Stage name 'A' should be lowercase (line 1)"
std::string on_one_line(const Warning& warning);

}  // namespace sandbox::build
