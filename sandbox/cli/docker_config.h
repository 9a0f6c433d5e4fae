// What users have chosen once for all listings: psFormat, imagesFormat and the like in ~/.docker/config.json
// (docker/cli, cli/config/configfile). Runs in the client.
#pragma once

#include <string>

namespace sandbox::cli {

/// The string `key` of $DOCKER_CONFIG/config.json or ~/.docker/config.json; "" when there is none. Throws InvalidInput
/// for a malformed file.
std::string docker_config(const char* key);

}  // namespace sandbox::cli
