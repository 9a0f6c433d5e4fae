// Registry authentication (RFC 9110 section 11, distribution's token specification).
//
// Credentials are read from Docker's and containers-tools' files, looked up by the registry that the
// user named, never by a name that the network gave.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/image/reference.h"

namespace sandbox::image {

struct Challenge {
  std::string scheme;  ///< Lower case: "bearer", "basic".
  std::map<std::string, std::string> parameters;
};

/// The challenges of one WWW-Authenticate header; what is malformed ends the list.
std::vector<Challenge> parse_challenges(std::string_view header);

/// base64("user:password") for the reference's registry from $DOCKER_CONFIG/config.json or
/// ~/.docker/config.json, then $XDG_RUNTIME_DIR/containers/auth.json; empty when none has it.
/// Throws InvalidInput for a malformed file.
std::string find_basic_credentials(const Reference& reference);

/// The token of a token server's answer. Throws InvalidInput.
std::string parse_token(const std::string& body);

}  // namespace sandbox::image
