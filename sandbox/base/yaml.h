// YAML of strangers: bounded in depth, without aliases, with errors that name the document and the line.
#pragma once

#include <string_view>

#include "sandbox/base/json_fwd.h"

namespace sandbox {

/// Reads one document, `what` in errors. Its scalars become texts, whatever they look like, but for null: who reads them
/// knows what they are to be. Throws InvalidInput for what is malformed, nested deeper than 64 levels, for an object with
/// two members of one name, for tags, aliases and further documents; Unsupported where libyaml is not installed.
Json parse_yaml(std::string_view text, std::string_view what);

}  // namespace sandbox
