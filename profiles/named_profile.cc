// See named_profile.h.
#include "profiles/named_profile.h"

#include <algorithm>
#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"

namespace sandbox::profiles {
namespace {

constexpr std::size_t longest_description = 200, most_options = 200, most_values = 1000;

[[noreturn]] void fail(const NamedProfile& profile, std::string_view key, std::string_view problem) {
  throw InvalidInput(fmt::format("{}: '{}' {}", title_of(profile), key, problem));
}

std::string text_of(const NamedProfile& profile, const std::string& key, const Json& json) {
  if (!json.is_string()) fail(profile, key, "is not a string");
  auto text = json.get<std::string>();
  if (text.find('\0') != text.npos) fail(profile, key, "contains a NUL byte");
  return text;
}

bool is_option_name(std::string_view name) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && is_letter(name[0]) && std::ranges::all_of(name, [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
  });
}

ProfileOption parse_option(const NamedProfile& profile, const std::string& name, const Json& json) {
  const std::string key = "options." + name;
  if (!is_option_name(name)) fail(profile, key, "is not the long name of an option");
  if (name == "profile") fail(profile, key, "is no option of a profile: 'extends' names another one");
  ProfileOption option{.name = name};
  if (json.is_boolean()) {
    option.kind = OptionKind::flag;
    option.values = {json.get<bool>() ? "true" : "false"};
  } else if (json.is_number_integer()) {
    option.values = {json.dump()};
  } else if (json.is_array()) {
    option.kind = OptionKind::list;
    if (json.size() > most_values) fail(profile, key, fmt::format("has more than {} values", most_values));
    for (const Json& value : json) {
      option.values.push_back(text_of(profile, fmt::format("{}[{}]", key, option.values.size()), value));
    }
  } else if (json.is_string()) {
    option.values = {text_of(profile, key, json)};
  } else {
    fail(profile, key, "is not true, false, a string, a whole number or a list of strings");
  }
  return option;
}

void parse_member(NamedProfile& profile, const std::string& key, const Json& json) {
  if (key == "description") {
    profile.description = text_of(profile, key, json);
    if (profile.description.empty() || profile.description.size() > longest_description)
      fail(profile, key, fmt::format("is not between 1 and {} bytes long", longest_description));
  } else if (key == "extends") {
    profile.base = text_of(profile, key, json);
    if (!is_valid_name(profile.base)) fail(profile, key, "is not the name of a profile");
  } else if (key == "options") {
    if (!json.is_object()) fail(profile, key, "is not an object");
    if (json.size() > most_options) fail(profile, key, fmt::format("has more than {} members", most_options));
    for (const auto& [name, value] : json.items()) profile.options.push_back(parse_option(profile, name, value));
  } else if (key != "$schema") {
    fail(profile, key, "is not a member of a profile");
  }
}

/// What a placeholder stands for; none: a variable that is not set.
std::optional<std::string> meaning(const NamedProfile& profile, const std::string& key, std::string_view placeholder,
                                   const ProfileHost& host) {
  constexpr std::string_view variable = "env:";
  if (placeholder == "cwd") return host.directory;
  if (placeholder == "home") return host.home;
  if (placeholder == "uid") return fmt::format("{}", host.uid);
  if (placeholder == "gid") return fmt::format("{}", host.gid);
  if (placeholder == "profile" && !profile.file.empty()) return profile.file.substr(0, profile.file.rfind('/'));
  if (!placeholder.starts_with(variable)) {
    fail(profile, key, fmt::format("has the unknown placeholder '${{{}}}'", placeholder));
  }
  const auto found = host.environment.find(std::string(placeholder.substr(variable.size())));
  if (found == host.environment.end() || found->second.empty()) return {};
  return found->second;
}

/// None: it needs a variable that is not set.
std::optional<std::string> replaced(const NamedProfile& profile, const std::string& key, std::string_view text,
                                    const ProfileHost& host) {
  std::string result;
  for (std::size_t open; (open = text.find("${")) != text.npos;) {
    const std::size_t close = text.find('}', open);
    if (close == text.npos) fail(profile, key, "has a placeholder without an end");
    const auto value = meaning(profile, key, text.substr(open + 2, close - open - 2), host);
    if (!value) return {};
    result += text.substr(0, open);
    result += *value;
    text.remove_prefix(close + 1);
  }
  return result += text;
}

bool is_pattern(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

}  // namespace

std::string title_of(const NamedProfile& profile) {
  return profile.file.empty() ? fmt::format("profile '{}'", profile.name)
                              : fmt::format("profile '{}' ({})", profile.name, profile.file);
}

NamedProfile parse_named_profile(std::string_view text, const std::string& name, const std::string& file) {
  NamedProfile profile{.name = name, .file = file};
  const Json document = parse_json(text, title_of(profile));
  if (!document.is_object()) throw InvalidInput(title_of(profile) + ": not an object");
  for (const auto& [key, value] : document.items()) parse_member(profile, key, value);
  for (const char* key : {"description", "options"}) {
    if (!document.contains(key)) fail(profile, key, "is missing");
  }
  return profile;
}

std::vector<std::string> device_patterns(const NamedProfile& profile) {
  std::vector<std::string> patterns;
  for (const ProfileOption& option : profile.options) {
    if (option.name == "device") std::ranges::copy_if(option.values, std::back_inserter(patterns), is_pattern);
  }
  return patterns;
}

std::vector<OptionWord> option_words(const NamedProfile& profile, const ProfileHost& host) {
  std::vector<OptionWord> words;
  const auto add = [&](OptionWord word) {
    if (std::ranges::find(words, word) == words.end()) words.push_back(std::move(word));
  };
  for (const ProfileOption& option : profile.options) {
    for (const std::string& value : option.values) {
      if (option.name == "device" && is_pattern(value)) {
        const auto found = host.devices.find(value);
        if (found == host.devices.end()) continue;
        for (const std::string& device : found->second) add({option.name, device});
      } else if (auto text = replaced(profile, "options." + option.name, value, host)) {
        add({option.name, std::move(*text)});
      }
    }
  }
  return words;
}

}  // namespace sandbox::profiles
