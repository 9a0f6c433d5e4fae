// What users have chosen once for all commands: psFormat, imagesFormat, detachKeys and the like in
// ~/.docker/config.json (docker/cli, cli/config/configfile). Runs in the client.
#pragma once

#include <string>

#include "sandbox/cli/options.h"

namespace sandbox::cli {

/// The string `key` of $DOCKER_CONFIG/config.json or ~/.docker/config.json; "" when there is none. Throws InvalidInput
/// for a malformed file.
std::string docker_config(const char* key);

/// The bytes that leave a terminal: by --detach-keys, by `detachKeys` of the file, or ctrl-p ctrl-q. Throws UsageError.
std::string detach_keys(const Arguments& arguments);

}  // namespace sandbox::cli
