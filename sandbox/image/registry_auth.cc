// Challenges, credential files and tokens: see registry_auth.h.
#include "sandbox/image/registry_auth.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/image/registry_helper.h"

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

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::vector<std::string> credential_files() {
  std::vector<std::string> files;
  if (const std::string dir = environment("DOCKER_CONFIG"); !dir.empty()) {
    files.push_back(dir + "/config.json");
  } else if (const std::string home = environment("HOME"); !home.empty()) {
    files.push_back(home + "/.docker/config.json");
  }
  if (const std::string dir = environment("XDG_RUNTIME_DIR"); !dir.empty()) {
    files.push_back(dir + "/containers/auth.json");
  }
  return files;
}

// Keys under "auths", the most particular first: containers-auth.json(5) allows path prefixes.
std::vector<std::string> credential_keys(const Reference& reference) {
  std::vector<std::string> keys;
  std::string name = reference.registry + "/" + reference.repository;
  while (name.find('/') != std::string::npos) {
    keys.push_back(name);
    name.resize(name.rfind('/'));
  }
  keys.push_back(reference.registry);
  keys.push_back("https://" + reference.registry);
  if (reference.registry == "docker.io") {
    keys.insert(keys.end(), {"https://index.docker.io/v1/", "index.docker.io"});
  }
  return keys;
}

bool is_base64(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/' || c == '=';
  });
}

std::string string_member(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string helper_for(const Json& document, const std::string& server) {
  const auto helpers = document.find("credHelpers");
  return helpers != document.end() && helpers->is_object() ? string_member(*helpers, server) : std::string();
}

std::string stored_credentials(const Json& document, const std::vector<std::string>& keys, const std::string& file) {
  const auto auths = document.find("auths");
  if (auths == document.end()) return {};
  if (!auths->is_object()) throw InvalidInput(fmt::format("{}: 'auths' is not an object", file));
  for (const std::string& key : keys) {
    const auto entry = auths->find(key);
    if (entry == auths->end() || !entry->is_object()) continue;
    std::string auth = string_member(*entry, "auth");
    if (auth.empty()) continue;
    if (!is_base64(auth)) throw InvalidInput(fmt::format("{}: the credentials for '{}' are not base64", file, key));
    return auth;
  }
  return {};
}

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

std::string find_basic_credentials(const Reference& reference) {
  const std::vector<std::string> keys = credential_keys(reference);
  for (const std::string& file : credential_files()) {
    if (!path_exists(file)) continue;
    const Json document = parse_json(read_file(file), file);
    if (!document.is_object()) continue;
    // As Docker: a helper of this very server, what the file holds itself, the helper of all servers.
    const std::string server = reference.registry == "docker.io" ? "https://index.docker.io/v1/" : reference.registry;
    if (const std::string helper = helper_for(document, server); !helper.empty()) return ask_credential_helper(helper, server);
    if (std::string stored = stored_credentials(document, keys, file); !stored.empty()) return stored;
    if (const std::string store = string_member(document, "credsStore"); !store.empty()) {
      if (std::string asked = ask_credential_helper(store, server); !asked.empty()) return asked;
    }
  }
  return {};
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
