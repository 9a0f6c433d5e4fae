// Who the user is to a registry: auth.json of the containers tools and Docker's config.json
// (containers-auth.json(5), docker/cli cli/config/configfile), and the credential helpers that they name.
//
// Looked up by the registry that the user named, never by a name that the network gave. Runs in the client's process,
// in one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/image/reference.h"

namespace sandbox::image {

struct Credentials {
  std::string user, password;
  std::string identity_token;  ///< In place of the password: to be exchanged for tokens (OAuth 2.0, refresh_token).
  bool empty() const { return user.empty() && password.empty() && identity_token.empty(); }
  std::string basic() const;  ///< Base64 of "user:password", for an Authorization header.
};

/// Of $REGISTRY_AUTH_FILE if that is set; else of $XDG_RUNTIME_DIR/containers/auth.json,
/// $XDG_CONFIG_HOME/containers/auth.json and $DOCKER_CONFIG/config.json, the first that has some; empty when none has.
/// Without a repository: those of the registry as a whole. Throws InvalidInput for a malformed file, and what helpers
/// do.
Credentials find_credentials(const Reference& reference);

/// Keeps them for a registry, or a part of it ("localhost:5000/group"): in the helper that a file names for it, else in
/// the first of those files, replaced whole and with mode 0600. Returns the file, or the helper's program.
std::string store_credentials(const std::string& server, const Credentials& credentials);

/// Forgets them, where store_credentials would have put them. False: there were none. Throws Conflict when Docker's own
/// file has some, which is not ours to change.
bool erase_credentials(const std::string& server);

/// Whose credentials the first of the files holds itself.
std::vector<std::string> stored_servers();

/// What one file says about the names `keys`, the most particular first; no helper is asked. Throws InvalidInput. Pure.
Credentials read_credentials(const Json& document, const std::vector<std::string>& keys, const std::string& file);

}  // namespace sandbox::image
