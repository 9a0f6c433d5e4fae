// Registry authentication: challenges and tokens (RFC 9110 section 11, distribution's token specification). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/image/credentials.h"
#include "sandbox/image/http_url.h"

namespace sandbox::image {

struct Challenge {
  std::string scheme;  ///< Lower case: "bearer", "basic".
  std::map<std::string, std::string> parameters;
};

/// The challenges of one WWW-Authenticate header; what is malformed ends the list.
std::vector<Challenge> parse_challenges(std::string_view header);

/// What to ask a token server.
struct TokenRequest {
  Url url;
  std::vector<std::string> headers;
  std::string form;  ///< Empty: a GET is enough.
};

/// With an identity token it is exchanged (OAuth 2.0, refresh_token), with a password that is sent along; else
/// anybody's token is asked for.
TokenRequest token_request(const Url& realm, const std::string& service, const std::vector<std::string>& scopes,
                           const Credentials& credentials);

/// The token of a token server's answer. Throws InvalidInput.
std::string parse_token(const std::string& body);

}  // namespace sandbox::image
