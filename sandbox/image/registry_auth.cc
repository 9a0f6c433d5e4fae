// Challenges and tokens: see registry_auth.h.
#include "sandbox/image/registry_auth.h"

#include <algorithm>
#include <cctype>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox::image {
namespace {

bool is_token_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

// A cursor over a header value.
struct Scanner {
  std::string_view rest;

  void skip(std::string_view characters) {
    rest.remove_prefix(std::min(rest.find_first_not_of(characters), rest.size()));
  }
  std::string token() {
    std::string word;
    while (!rest.empty() && is_token_character(rest.front())) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(rest.front())));
      rest.remove_prefix(1);
    }
    return word;
  }
  std::string value() {
    std::string text;
    if (rest.empty() || rest.front() != '"') {
      const auto end = std::min(rest.find_first_of(", \t"), rest.size());
      text = rest.substr(0, end);
      rest.remove_prefix(end);
      return text;
    }
    rest.remove_prefix(1);
    while (!rest.empty() && rest.front() != '"') {
      if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
      text += rest.front();
      rest.remove_prefix(1);
    }
    if (!rest.empty()) rest.remove_prefix(1);
    return text;
  }
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> challenges;
  Scanner scanner{header};
  while (true) {
    scanner.skip(", \t");
    const std::string word = scanner.token();
    if (word.empty()) return challenges;
    scanner.skip(" \t");
    if (!scanner.rest.empty() && scanner.rest.front() == '=') {
      scanner.rest.remove_prefix(1);
      scanner.skip(" \t");
      if (challenges.empty()) return challenges;
      challenges.back().parameters.emplace(word, scanner.value());
    } else {
      challenges.push_back({word, {}});
    }
  }
}

TokenRequest token_request(const Url& realm, const std::string& service, const std::vector<std::string>& scopes,
                           const Credentials& credentials) {
  TokenRequest request{realm, {}, {}};
  if (!credentials.identity_token.empty()) {
    std::string scope;
    for (const std::string& one : scopes) scope += (scope.empty() ? "" : " ") + one;
    request.form = form_encoded({{"grant_type", "refresh_token"},
                                 {"service", service},
                                 {"client_id", "sandbox"},
                                 {"scope", scope},
                                 {"refresh_token", credentials.identity_token}});
    request.headers.push_back("Content-Type: application/x-www-form-urlencoded");
    return request;
  }
  if (!service.empty()) request.url = request.url.with_query("service", service);
  for (const std::string& scope : scopes) request.url = request.url.with_query("scope", scope);
  if (!credentials.empty()) request.headers.push_back("Authorization: Basic " + credentials.basic());
  return request;
}

std::string parse_token(const std::string& body) {
  const Json document = parse_json(body, "the token server's answer");
  for (const char* key : {"token", "access_token"}) {
    if (!document.is_object() || !document.contains(key) || !document[key].is_string()) continue;
    const std::string token = document[key];
    // The token becomes a header line: a line break in it would inject another.
    if (!token.empty() && std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
      return token;
    }
  }
  throw InvalidInput("the token server's answer has no usable token");
}

}  // namespace sandbox::image
