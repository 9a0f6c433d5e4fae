// Credential helpers of ~/.docker/config.json: programs docker-credential-NAME of the user's PATH
// (github.com/docker/docker-credential-helpers, "get"). Runs in the process that pulls, which has one thread.
#pragma once

#include <string>

namespace sandbox::image {

/// Base64 of "user:secret" for the server; empty when the helper knows none. Throws Error when the helper is missing,
/// takes longer than ten seconds or answers nonsense.
std::string ask_credential_helper(const std::string& helper, const std::string& server);

}  // namespace sandbox::image
