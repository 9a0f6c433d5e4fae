// The checks of a Dockerfile: BuildKit's rules (docs.docker.com/reference/build-checks), their names and words, which
// of them a file wants, and how what they find is shown. The rules are in lint_rules.h, but for those that need to know
// a stage while it is worked through (stage_state.cc). Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/build/graph.h"
#include "sandbox/build/ignore.h"
#include "sandbox/build/warning.h"

namespace sandbox::build {

/// "skip=JSONArgsRecommended,StageNameCasing;error=true": the directive `check`, or a comment above an instruction.
struct CheckOptions {
  bool error = false;  ///< A build with warnings fails.
  bool skip_all = false, experimental_all = false;
  std::set<std::string, std::less<>> skipped, experimental;
};
/// Throws InvalidInput.
CheckOptions parse_check_options(std::string_view words);

/// Of the directive, or of `instead` (the argument BUILDKIT_DOCKERFILE_CHECK) if that isn't empty. Throws Mistake.
CheckOptions check_options(const Tree& tree, std::string_view instead = {});

/// What all rules find that the file wants, by their lines; and what there is to say about the build as a whole.
/// `ignored`: of the build's context.
std::vector<Warning> lint(const Tree& tree, const Graph& graph, const IgnoreRules& ignored,
                          const CheckOptions& options);

/// As `docker build --check` shows it: "Check complete, 1 warning has been found!", and each with the lines that it is
/// about. `file`: the Dockerfile's name.
std::string shown_check(const std::vector<Warning>& warnings, std::string_view file, std::string_view text);
/// The same as a document, with BuildKit's members.
OrderedJson check_document(const std::vector<Warning>& warnings, std::string_view file, std::string_view text);

}  // namespace sandbox::build
