// The server's configuration as JSON, written by the spawning process and read by the helper.
#include <array>

#include "fuse-overlay/overlay_server.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox::overlay {

namespace {

Json lines_json(const std::vector<IdLine>& lines) {
  Json list = Json::array();
  for (const IdLine& line : lines) list.push_back({line.shown, line.disk, line.count});
  return list;
}

std::vector<IdLine> lines_from(const Json& list) {
  std::vector<IdLine> lines;
  for (const Json& line : list) {
    const auto numbers = line.get<std::array<std::uint32_t, 3>>();
    lines.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return lines;
}

}  // namespace

Json to_json(const ServerConfig& config) {
  Json document{{"lower", config.lower},
                {"upper", config.upper},
                {"work", config.work},
                {"most_bytes", config.most_bytes},
                {"most_objects", config.most_objects},
                {"whiteout_files", config.whiteout_files},
                {"lower_may_change", config.lower_may_change},
                {"on_host", config.on_host},
                {"uids", lines_json(config.uids)},
                {"gids", lines_json(config.gids)},
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
    config.most_bytes = document.at("most_bytes").get<std::uint64_t>();
    config.most_objects = document.at("most_objects").get<std::uint64_t>();
    config.whiteout_files = document.at("whiteout_files").get<bool>();
    config.lower_may_change = document.at("lower_may_change").get<bool>();
    config.on_host = document.at("on_host").get<bool>();
    config.uids = lines_from(document.at("uids"));
    config.gids = lines_from(document.at("gids"));
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
