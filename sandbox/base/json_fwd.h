// Json by name, for headers that only mention it: the library behind it is the most expensive one to compile.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace sandbox {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

}  // namespace sandbox
