// See docker_config.h.
#include "sandbox/cli/docker_config.h"

#include <cstdlib>

#include "sandbox/base/file.h"
#include "sandbox/base/json.h"

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

}  // namespace sandbox::cli
