// JSON of strangers: bounded in size and depth, with errors that name the document.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace sandbox {

using Json = nlohmann::json;

/// Parses `text`; `what` names the document in errors. Throws InvalidInput when malformed or
/// nested deeper than 64 levels.
Json parse_json(std::string_view text, std::string_view what);

}  // namespace sandbox
