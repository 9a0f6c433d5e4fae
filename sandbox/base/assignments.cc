// See assignments.h.
#include "sandbox/base/assignments.h"

#include <algorithm>

namespace sandbox {

void set_environment(std::vector<std::string>& env, std::string_view assignment) {
  const std::string_view prefix = assignment.substr(0, assignment.find('=') + 1);
  for (std::string& entry : env) {
    if (entry.starts_with(prefix)) {
      entry = assignment;
      return;
    }
  }
  env.emplace_back(assignment);
}

bool is_assignment(std::string_view text) {
  const auto equals = text.find('=');
  return equals != std::string_view::npos && equals > 0 && text.find('\0') == std::string_view::npos;
}

void set_label(std::map<std::string, std::string>& labels, std::string_view word) {
  const auto equals = word.find('=');
  labels[std::string(word.substr(0, equals))] = equals == word.npos ? std::string_view{} : word.substr(equals + 1);
}

std::vector<OptionField> split_options(std::string_view text) {
  std::vector<OptionField> fields;
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find(','));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    const auto equals = field.find('=');
    fields.push_back({field.substr(0, equals), {}});
    if (equals != std::string_view::npos) fields.back().value = field.substr(equals + 1);
  }
  return fields;
}

}  // namespace sandbox
