// JSON of strangers: bounded in size and depth, with errors that name the document.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sandbox/base/json_fwd.h"

// Compiled once, in json.cc.
extern template class nlohmann::basic_json<>;
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sandbox {

/// Parses `text`; `what` names the document in errors. Throws InvalidInput when malformed, nested deeper than 64 levels,
/// or when an object has two members of one name.
Json parse_json(std::string_view text, std::string_view what);

}  // namespace sandbox
