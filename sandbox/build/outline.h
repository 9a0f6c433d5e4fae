// What can be said of a Dockerfile without building it: its targets, and what a build of one of them takes. As BuildKit
// tells it for `--call` (frontend/subrequests/{targets,outline}); a comment above a definition describes it when it
// begins with its name. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/build/graph.h"

namespace sandbox::build {

/// Lines of the Dockerfile, counted from 1.
struct LineRange {
  std::size_t first = 0, last = 0;
  bool operator==(const LineRange&) const = default;
};

struct Target {
  std::string name, description;  ///< name: empty: it has none.
  std::string base, platform;     ///< As they are written.
  bool is_default = false;        ///< What is built when none is named.
  LineRange lines;
};
std::vector<Target> targets(const Tree& tree, const Dockerfile& file);

struct Outline {
  struct Argument {
    std::string name, value, description;
    LineRange lines;
  };
  /// A secret, or an agent of ssh.
  struct Need {
    std::string id;
    bool required = false;
    LineRange lines;
  };
  std::string name, description;  ///< Of the target.
  std::vector<Argument> arguments;
  std::vector<Need> secrets, agents;
};
/// `graph`: of the build of `target` (a stage's name or number; empty: the last one), which has what its stages take.
Outline outline(const Tree& tree, const Dockerfile& file, const Graph& graph, std::string_view target);

/// BuildKit's documents. `text`: the Dockerfile's.
OrderedJson targets_document(const std::vector<Target>& targets, std::string_view text);
OrderedJson outline_document(const Outline& outline, std::string_view text);

}  // namespace sandbox::build
