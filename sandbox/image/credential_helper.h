// Credential helpers: programs docker-credential-NAME of the user's PATH that keep secrets
// (github.com/docker/docker-credential-helpers). Runs in the client's process. Each function throws Error when the
// helper is missing, takes longer than ten seconds or answers nonsense.
#pragma once

#include <string>

#include "sandbox/image/credentials.h"

namespace sandbox::image {

/// Empty when the helper knows none.
Credentials ask_credential_helper(const std::string& helper, const std::string& server);
/// Returns the program's name.
std::string tell_credential_helper(const std::string& helper, const std::string& server,
                                   const Credentials& credentials);
/// False when it knew none.
bool erase_from_credential_helper(const std::string& helper, const std::string& server);

}  // namespace sandbox::image
