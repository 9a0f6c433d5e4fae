// A whole Dockerfile: the arguments before the first FROM, and the stages. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/build/instruction.h"

namespace sandbox::build {

struct Stage {
  From base;
  std::string original;  ///< Of its FROM.
  Place place;
  std::size_t last_line = 0;  ///< Of its FROM, too.
  std::vector<Instruction> instructions;
};

struct Dockerfile {
  std::vector<Arg> globals;
  std::vector<Stage> stages;  ///< At least one.
  char escape = '\\';

  /// The number of the stage called `name`, or of that number, among the first `before` ones; npos when there is none.
  std::size_t find_stage(std::string_view name, std::size_t before) const;
};

/// Throws Mistake.
Dockerfile parse_dockerfile(const Tree& tree);
Dockerfile parse_dockerfile(std::string_view text);

}  // namespace sandbox::build
