// The rules of lint.h that need no stage to be worked through. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/build/graph.h"
#include "sandbox/build/ignore.h"

namespace sandbox::build {

/// About the words of a file. Precondition: parse_dockerfile() takes the tree.
std::vector<Warning> check_text(const Tree& tree);

using Variables = std::map<std::string, std::string>;
/// About the images that stages begin with. `globals`: what is set before the first FROM, `defaults`: the same when the
/// caller gives no arguments.
std::vector<Warning> check_bases(const Dockerfile& file, const Variables& globals, const Variables& defaults);

/// About what is copied from a context of which some files are ignored.
std::vector<Warning> check_copies(const Graph& graph, const IgnoreRules& ignored);

/// Whether a variable's name is that of a secret: API_KEY, not KEY_FILE.
bool is_secret_name(std::string_view name);

}  // namespace sandbox::build
