#include "sandbox/base/json.h"

#include "sandbox/base/json_builder.h"

template class nlohmann::basic_json<>;
template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sandbox {

Json parse_json(std::string_view text, std::string_view what) {
  JsonBuilder builder(what);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace sandbox
