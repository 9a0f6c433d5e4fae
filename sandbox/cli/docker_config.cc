// See docker_config.h.
#include "sandbox/cli/docker_config.h"

#include <cstdlib>

#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/container/terminal.h"

namespace sandbox::cli {

std::string docker_config(const char* key) {
  const char* directory = std::getenv("DOCKER_CONFIG");
  const char* home = std::getenv("HOME");
  const bool named = directory != nullptr && *directory != '\0';
  if (!named && home == nullptr) return {};
  const std::string path = named ? std::string(directory) + "/config.json" : std::string(home) + "/.docker/config.json";
  if (!path_exists(path)) return {};
  const Json document = parse_json(read_file(path), path);
  const auto found = document.find(key);
  return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string detach_keys(const Arguments& arguments) {
  if (const auto words = arguments.last("detach-keys")) return container::parse_detach_keys(*words);
  const std::string chosen = docker_config("detachKeys");
  return container::parse_detach_keys(chosen.empty() ? "ctrl-p,ctrl-q" : chosen);
}

}  // namespace sandbox::cli
