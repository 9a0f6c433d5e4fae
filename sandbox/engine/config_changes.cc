// See config_changes.h.
#include "sandbox/engine/config_changes.h"

#include <algorithm>
#include <optional>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/signal_name.h"
#include "sandbox/engine/environment.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

/// Words separated by blanks; quotes and backslashes keep what follows together, and go.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::optional<std::string> word;
  char quote = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote == 0 && kBlanks.find(c) != std::string_view::npos) {
      if (word) words.push_back(*std::exchange(word, std::nullopt));
      continue;
    }
    if (!word) word.emplace();
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == '\\' && quote != '\'' && at + 1 < text.size()) {
      *word += text[++at];
    } else {
      *word += c;
    }
  }
  if (quote != 0) throw UsageError(fmt::format("an unclosed {} in \"{}\"", quote, text));
  if (word) words.push_back(*word);
  return words;
}

std::vector<std::string> strings(const Json& config, const char* key) {
  std::vector<std::string> found;
  const auto value = config.find(key);
  if (value == config.end() || !value->is_array()) return found;
  for (const Json& entry : *value) {
    if (entry.is_string()) found.push_back(entry.get<std::string>());
  }
  return found;
}

std::string variable(const Json& config, const std::string& name) {
  for (const std::string& assignment : strings(config, "Env")) {
    if (assignment.starts_with(name + "=")) return assignment.substr(name.size() + 1);
  }
  return {};
}

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string expanded(const Json& config, std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == '$') {
      result += text[++at];
      continue;
    }
    const bool braces = text[at] == '$' && at + 1 < text.size() && text[at + 1] == '{';
    const std::size_t begin = at + (braces ? 2 : 1);
    std::size_t end = begin;
    while (text[at] == '$' && end < text.size() && is_name_character(text[end])) ++end;
    if (text[at] != '$' || end == begin || (braces && (end == text.size() || text[end] != '}'))) {
      result += text[at];
      continue;
    }
    result += variable(config, std::string(text.substr(begin, end - begin)));
    at = braces ? end : end - 1;
  }
  return result;
}

/// "NAME=value" …, or the old form "NAME the rest".
std::vector<std::pair<std::string, std::string>> assignments(const std::string& rest, const std::string& instruction) {
  const auto words = split_words(rest);
  std::vector<std::pair<std::string, std::string>> found;
  if (!words.empty() && words[0].find('=') == std::string::npos) {
    const auto blank = rest.find_first_of(kBlanks);
    if (blank == std::string::npos) throw UsageError(fmt::format("\"{}\" assigns nothing", instruction));
    found.emplace_back(words[0], trimmed(std::string_view(rest).substr(blank)));
    return found;
  }
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError(fmt::format("\"{}\": '{}' is no assignment", instruction, word));
    found.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return found;
}

/// A list in JSON's form, if it is one.
std::optional<Json> json_list(const std::string& rest) {
  if (!rest.starts_with('[')) return {};
  const Json list = Json::parse(rest, nullptr, false);
  if (!list.is_array() || !std::ranges::all_of(list, [](const Json& word) { return word.is_string(); })) return {};
  return list;
}

Json command_of(const std::string& rest) {
  if (auto list = json_list(rest)) return std::move(*list);
  return Json::array({"/bin/sh", "-c", rest});
}

Json words_or_list(const std::string& rest) {
  if (auto list = json_list(rest)) return std::move(*list);
  return split_words(rest);
}

void set_variable(Json& config, const std::string& assignment) {
  std::vector<std::string> env = strings(config, "Env");
  set_environment(env, assignment);
  config["Env"] = env;
}

std::string exposed(const std::string& word) {
  const auto slash = word.find('/');
  const std::string port = word.substr(0, slash),
                    protocol = slash == std::string::npos ? "tcp" : word.substr(slash + 1);
  const bool valid = !port.empty() && port.find_first_not_of("0123456789-") == std::string::npos &&
                     (protocol == "tcp" || protocol == "udp" || protocol == "sctp");
  if (!valid) throw UsageError(fmt::format("invalid containerPort: {}", word));
  return port + "/" + protocol;
}

std::string joined_directory(const Json& config, const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::string before = config.value("WorkingDir", "");
  return (before.empty() || before == "/" ? "/" : before + "/") + path;
}

using Change = void (*)(Json& config, const std::string& rest, const std::string& instruction);

struct Instruction {
  std::string_view name;
  Change change;
};

constexpr Instruction kInstructions[] = {
    {"CMD", [](Json& config, const std::string& rest, const std::string&) { config["Cmd"] = command_of(rest); }},
    {"ENTRYPOINT",
     [](Json& config, const std::string& rest, const std::string&) { config["Entrypoint"] = command_of(rest); }},
    {"ENV",
     [](Json& config, const std::string& rest, const std::string& instruction) {
       for (const auto& [name, value] : assignments(expanded(config, rest), instruction)) {
         set_variable(config, fmt::format("{}={}", name, value));
       }
     }},
    {"EXPOSE",
     [](Json& config, const std::string& rest, const std::string&) {
       for (const auto& word : split_words(expanded(config, rest)))
         config["ExposedPorts"][exposed(word)] = Json::object();
     }},
    {"LABEL",
     [](Json& config, const std::string& rest, const std::string& instruction) {
       for (const auto& [name, value] : assignments(expanded(config, rest), instruction))
         config["Labels"][name] = value;
     }},
    {"ONBUILD", [](Json& config, const std::string& rest, const std::string&) { config["OnBuild"].push_back(rest); }},
    {"STOPSIGNAL",
     [](Json& config, const std::string& rest, const std::string&) {
       (void)parse_signal(expanded(config, rest));
       config["StopSignal"] = expanded(config, rest);
     }},
    {"USER",
     [](Json& config, const std::string& rest, const std::string&) { config["User"] = expanded(config, rest); }},
    {"VOLUME",
     [](Json& config, const std::string& rest, const std::string&) {
       for (const Json& path : words_or_list(expanded(config, rest)))
         config["Volumes"][path.get<std::string>()] = Json::object();
     }},
    {"WORKDIR", [](Json& config, const std::string& rest,
                   const std::string&) { config["WorkingDir"] = joined_directory(config, expanded(config, rest)); }},
};

}  // namespace

void apply_change(Json& config, const std::string& instruction) {
  const std::string text = trimmed(instruction);
  const auto blank = std::min(text.find_first_of(kBlanks), text.size());
  std::string name = text.substr(0, blank);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const std::string rest = trimmed(std::string_view(text).substr(blank));
  const auto* const found = std::ranges::find(kInstructions, name, &Instruction::name);
  if (found == std::end(kInstructions)) {
    throw UsageError(fmt::format("{} is not a valid change command", name),
                     "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are");
  }
  if (rest.empty()) throw UsageError(fmt::format("{} requires at least one argument", name));
  if (!config.is_object()) config = Json::object();
  // A stranger's document: what is of the wrong type gives way.
  for (const char* key : {"ExposedPorts", "Labels", "Volumes"}) {
    if (config.contains(key) && !config[key].is_object()) config.erase(key);
  }
  if (config.contains("OnBuild") && !config["OnBuild"].is_array()) config.erase("OnBuild");
  if (config.contains("WorkingDir") && !config["WorkingDir"].is_string()) config.erase("WorkingDir");
  found->change(config, rest, text);
}

void apply_own_config(Json& config, const container::Spec& spec) {
  if (!config.is_object()) config = Json::object();
  const container::OwnConfig& own = spec.own_config;
  for (const std::string& assignment : own.env) set_variable(config, assignment);
  if (own.replaces_entrypoint) {
    config["Entrypoint"] = own.entrypoint;
    if (own.entrypoint.empty()) config.erase("Entrypoint");
    config.erase("Cmd");
  }
  if (!own.command.empty()) config["Cmd"] = own.command;
  if (!own.user.empty()) config["User"] = own.user;
  if (!own.working_directory.empty()) config["WorkingDir"] = own.working_directory;
  if (!spec.labels.empty()) config["Labels"] = spec.labels;
  if (!spec.ports.empty() && (!config.contains("ExposedPorts") || !config["ExposedPorts"].is_object())) {
    config["ExposedPorts"] = Json::object();
  }
  for (const auto& port : spec.ports) {
    config["ExposedPorts"][fmt::format("{}/{}", port.container_port, port.udp ? "udp" : "tcp")] = Json::object();
  }
}

}  // namespace sandbox::engine
