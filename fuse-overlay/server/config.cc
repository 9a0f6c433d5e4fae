// The server's configuration as JSON, written by the spawning process and read by the helper.
#include "fuse-overlay/overlay_server.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox::overlay {

Json to_json(const ServerConfig& config) {
  Json document{{"lower", config.lower},
                {"upper", config.upper},
                {"work", config.work},
                {"whiteout_files", config.whiteout_files},
                {"lower_may_change", config.lower_may_change},
                {"squash", nullptr}};
  if (config.squash) document["squash"] = {config.squash->uid, config.squash->gid};
  return document;
}

ServerConfig config_from_json(const Json& document) {
  ServerConfig config;
  try {
    config.lower = document.at("lower").get<std::vector<std::string>>();
    config.upper = document.at("upper").get<std::string>();
    config.work = document.at("work").get<std::string>();
    config.whiteout_files = document.at("whiteout_files").get<bool>();
    config.lower_may_change = document.at("lower_may_change").get<bool>();
    if (const Json& ids = document.at("squash"); !ids.is_null()) {
      config.squash = {ids.at(0).get<uid_t>(), ids.at(1).get<gid_t>()};
    }
  } catch (const Json::exception& error) {
    throw InvalidInput(fmt::format("overlay configuration: {}", error.what()));
  }
  if (config.lower.empty()) throw InvalidInput("overlay configuration: no lower directory");
  if (config.upper.empty() != config.work.empty()) {
    throw InvalidInput("overlay configuration: an upper directory needs a work directory, and the other way round");
  }
  return config;
}

}  // namespace sandbox::overlay
