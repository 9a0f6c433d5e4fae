// What is built in, for `features` (runtime-spec features.md, features-linux.md).
#pragma once

#include <nlohmann/json.hpp>

namespace sandbox::runtime {

nlohmann::ordered_json features_document();

}  // namespace sandbox::runtime
