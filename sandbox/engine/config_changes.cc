// See config_changes.h.
#include "sandbox/engine/config_changes.h"

#include <algorithm>
#include <iterator>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/build/stage_state.h"
#include "sandbox/engine/ports.h"

namespace sandbox::engine {
namespace {

/// Those that change a config and nothing else.
constexpr std::string_view kChanges[] = {"CMD",     "ENTRYPOINT", "ENV",  "EXPOSE", "HEALTHCHECK", "LABEL",
                                         "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"};

build::Instruction parse_change(const std::string& text) {
  build::Tree tree = build::parse_tree(text);
  const build::Node& node = tree.nodes.at(0);
  if (std::ranges::find(kChanges, node.keyword) == std::end(kChanges)) {
    throw UsageError(
        fmt::format("{} is not a valid change command", node.keyword),
        "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are");
  }
  if (node.rest.text().empty()) throw UsageError(fmt::format("{} requires at least one argument", node.keyword));
  return build::parse_trigger(text);
}

std::vector<std::string> variables(const Json& config) {
  std::vector<std::string> found;
  const auto value = config.find("Env");
  for (const Json& entry : value != config.end() && value->is_array() ? *value : Json::array()) {
    if (entry.is_string()) found.push_back(entry.get<std::string>());
  }
  return found;
}

}  // namespace

void apply_changes(Json& config, const std::vector<std::string>& instructions) {
  if (instructions.empty()) return;
  build::StageState state(config);
  build::Graph unused;  // WORKDIR would make the directory
  for (const std::string& instruction : instructions) {
    try {
      state.apply(parse_change(instruction), unused, [](const std::string&) { return build::kScratch; });
    } catch (const InvalidInput& error) {
      throw UsageError(fmt::format("\"{}\": {}", instruction, error.what()), error.hint());
    }
  }
  config = state.document().at("config");
}

void apply_own_config(Json& config, const container::Spec& spec) {
  if (!config.is_object()) config = Json::object();
  const container::OwnConfig& own = spec.own_config;
  std::vector<std::string> env = variables(config);
  for (const std::string& assignment : own.env) set_environment(env, assignment);
  if (!own.env.empty()) config["Env"] = env;
  if (own.replaces_entrypoint) {
    config["Entrypoint"] = own.entrypoint;
    if (own.entrypoint.empty()) config.erase("Entrypoint");
    config.erase("Cmd");
  }
  if (!own.command.empty()) config["Cmd"] = own.command;
  if (!own.user.empty()) config["User"] = own.user;
  if (!own.working_directory.empty()) config["WorkingDir"] = own.working_directory;
  if (!spec.labels.empty()) config["Labels"] = spec.labels;
  std::vector<std::string> ports = spec.exposed;
  std::ranges::transform(spec.ports, std::back_inserter(ports), port_name);
  if (!ports.empty() && (!config.contains("ExposedPorts") || !config["ExposedPorts"].is_object())) {
    config["ExposedPorts"] = Json::object();
  }
  for (const std::string& name : ports) config["ExposedPorts"][name] = Json::object();
}

}  // namespace sandbox::engine
