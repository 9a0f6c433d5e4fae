// Environment variables as "NAME=value" (environ(7)), and options as "key=value,key". Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox {

/// Sets `assignment` ("NAME=value") in `env`, replacing the earlier value in place.
void set_environment(std::vector<std::string>& env, std::string_view assignment);

/// True for "NAME=value" with a name that is not empty and without a zero byte.
bool is_assignment(std::string_view text);

/// Sets the label "KEY[=VALUE]" in `labels`, replacing an earlier value.
void set_label(std::map<std::string, std::string>& labels, std::string_view word);

/// A field of "type=cache,target=/x,ro". The views are of the text.
struct OptionField {
  std::string_view key;
  std::optional<std::string_view> value;
};
std::vector<OptionField> split_options(std::string_view text);

}  // namespace sandbox
