#include "sandbox/base/json.h"

#include "sandbox/base/error.h"

template class nlohmann::basic_json<>;
template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sandbox {
namespace {
constexpr int max_depth = 64;
}

Json parse_json(std::string_view text, std::string_view what) {
  const auto guard = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > max_depth) throw InvalidInput(fmt::format("{}: nested deeper than {} levels", what, max_depth));
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), guard);
  } catch (const Json::exception& error) {
    throw InvalidInput(fmt::format("{}: not valid JSON: {}", what, error.what()));
  }
}

}  // namespace sandbox
