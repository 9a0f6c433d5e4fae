// See dockerfile.h.
#include "sandbox/build/dockerfile.h"

#include <algorithm>

namespace sandbox::build {

std::size_t Dockerfile::find_stage(std::string_view name, std::size_t before) const {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::size_t i = std::min(before, stages.size()); i-- > 0;) {
    if (!lower.empty() && (stages[i].base.name == lower || fmt::format("{}", i) == lower)) return i;
  }
  return std::string::npos;
}

Dockerfile parse_dockerfile(std::string_view text) { return parse_dockerfile(parse_tree(text)); }

Dockerfile parse_dockerfile(const Tree& tree) {
  Dockerfile file;
  file.escape = tree.escape;
  for (const Node& node : tree.nodes) {
    Instruction instruction = parse_instruction(node, tree.escape);
    if (auto* const from = std::get_if<From>(&instruction.action)) {
      file.stages.push_back(
          {std::move(*from), std::move(instruction.original), instruction.place, instruction.last_line, {}});
    } else if (!file.stages.empty()) {
      file.stages.back().instructions.push_back(std::move(instruction));
    } else if (const auto* const arg = std::get_if<Arg>(&instruction.action)) {
      file.globals.push_back(*arg);
    } else {
      throw Mistake(node.place, "no build stage in current context", "a Dockerfile begins with FROM");
    }
  }
  if (file.stages.empty()) throw Mistake({}, "no build stage: there is no FROM");
  return file;
}

}  // namespace sandbox::build
