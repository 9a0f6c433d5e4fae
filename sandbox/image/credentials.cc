#include "sandbox/image/credentials.h"

#include <errno.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "sandbox/base/base64.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/image/credential_helper.h"

namespace sandbox::image {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string below_home(const char* variable, const char* otherwise) {
  if (std::string chosen = environment(variable); !chosen.empty()) return chosen;
  const std::string home = environment("HOME");
  return home.empty() ? std::string() : home + otherwise;
}

/// The first is ours to write, the last one Docker's.
std::vector<std::string> credential_files() {
  if (std::string only = environment("REGISTRY_AUTH_FILE"); !only.empty()) return {only};
  std::vector<std::string> files;
  if (const auto runtime = environment("XDG_RUNTIME_DIR"); !runtime.empty())
    files.push_back(runtime + "/containers/auth.json");
  if (const auto config = below_home("XDG_CONFIG_HOME", "/.config"); !config.empty()) {
    files.push_back(config + "/containers/auth.json");
  }
  if (const auto docker = below_home("DOCKER_CONFIG", "/.docker"); !docker.empty())
    files.push_back(docker + "/config.json");
  return files;
}

/// An object; an empty one when there is no file.
Json read_document(const std::string& file) {
  if (!path_exists(file)) return Json::object();
  const std::string text = read_file(file);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  Json document = parse_json(text, file);
  return document.is_object() ? document : throw InvalidInput(fmt::format("{}: not an object", file));
}

/// Keys under "auths" that stand for a name, the most particular first.
std::vector<std::string> keys_of(std::string name) {
  std::vector<std::string> keys;
  while (name.find('/') != std::string::npos) {
    keys.push_back(name);
    name.resize(name.rfind('/'));
  }
  keys.push_back(name);
  keys.push_back("https://" + name);
  if (name == "docker.io") keys.insert(keys.end(), {"https://index.docker.io/v1/", "index.docker.io"});
  return keys;
}

/// What helpers know a registry by.
std::string helper_name_of(const std::string& server) {
  const std::string registry = server.substr(0, server.find('/'));
  return registry == "docker.io" ? "https://index.docker.io/v1/" : registry;
}

std::string string_member(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string helper_of_one(const Json& document, const std::string& server) {
  const auto helpers = document.find("credHelpers");
  if (helpers == document.end() || !helpers->is_object()) return {};
  const std::string own = string_member(*helpers, server.substr(0, server.find('/')));
  return own.empty() ? string_member(*helpers, helper_name_of(server)) : own;
}

/// The helper that keeps what is stored for the server; "" when it is to be a file.
std::string keeper_of(const std::string& server) {
  for (const std::string& file : credential_files()) {
    const Json document = read_document(file);
    if (std::string helper = helper_of_one(document, server); !helper.empty()) return helper;
    if (std::string all = string_member(document, "credsStore"); !all.empty()) return all;
  }
  return {};
}

/// Changes the file of ours: its other members stay.
void change_file(const std::string& file, const std::function<void(Json& auths)>& change) {
  make_directories(file.substr(0, file.rfind('/')));
  const FileLock lock(file + ".lock");
  Json document = read_document(file);
  Json& auths = document["auths"];
  if (auths.is_null()) auths = Json::object();
  if (!auths.is_object()) throw InvalidInput(fmt::format("{}: 'auths' is not an object", file));
  change(auths);
  write_file_atomic(file, document.dump(4) + "\n", true, 0600);
}

std::string own_file() {
  const auto files = credential_files();
  if (files.empty()) throw Error("there is no place for credentials", "set HOME or XDG_RUNTIME_DIR");
  return files.front();
}

}  // namespace

std::string Credentials::basic() const { return base64(user + ":" + password); }

Credentials read_credentials(const Json& document, const std::vector<std::string>& keys, const std::string& file) {
  const auto auths = document.find("auths");
  if (auths == document.end()) return {};
  if (!auths->is_object()) throw InvalidInput(fmt::format("{}: 'auths' is not an object", file));
  for (const std::string& key : keys) {
    const auto entry = auths->find(key);
    if (entry == auths->end() || !entry->is_object()) continue;
    Credentials found{{}, {}, string_member(*entry, "identitytoken")};
    const std::string auth = string_member(*entry, "auth");
    if (auth.empty() && found.identity_token.empty()) continue;
    const auto plain = from_base64(auth);
    const auto colon = plain ? plain->find(':') : std::string::npos;
    if (!auth.empty() && colon == std::string::npos) {
      throw InvalidInput(fmt::format("{}: the credentials for '{}' are not base64 of 'user:password'", file, key));
    }
    if (!auth.empty()) {
      found.user = plain->substr(0, colon);
      found.password = plain->substr(colon + 1);
      while (found.password.ends_with('\0')) found.password.pop_back();  // as Docker forgives
    }
    return found;
  }
  return {};
}

Credentials find_credentials(const Reference& reference) {
  const std::string name = reference.registry + (reference.repository.empty() ? "" : "/" + reference.repository);
  const std::string server = helper_name_of(reference.registry);
  for (const std::string& file : credential_files()) {
    const Json document = read_document(file);
    // As Docker: a helper of this very server, what the file holds itself, the helper of all servers.
    if (const std::string helper = helper_of_one(document, reference.registry); !helper.empty()) {
      return ask_credential_helper(helper, server);
    }
    if (Credentials stored = read_credentials(document, keys_of(name), file); !stored.empty()) return stored;
    if (const std::string all = string_member(document, "credsStore"); !all.empty()) {
      if (Credentials asked = ask_credential_helper(all, server); !asked.empty()) return asked;
    }
  }
  return {};
}

std::string store_credentials(const std::string& server, const Credentials& credentials) {
  if (const std::string helper = keeper_of(server); !helper.empty()) {
    return tell_credential_helper(helper, helper_name_of(server), credentials);
  }
  const std::string file = own_file();
  change_file(file, [&](Json& auths) { auths[server] = {{"auth", credentials.basic()}}; });
  return file;
}

bool erase_credentials(const std::string& server) {
  bool erased = false;
  if (const std::string helper = keeper_of(server); !helper.empty()) {
    erased = erase_from_credential_helper(helper, helper_name_of(server));
  }
  const std::string own = own_file();
  if (path_exists(own)) change_file(own, [&](Json& auths) { erased = auths.erase(server) > 0 || erased; });
  for (const std::string& file : credential_files()) {
    if (erased || file == own || read_credentials(read_document(file), keys_of(server), file).empty()) continue;
    throw Conflict(fmt::format("the credentials for {} are in '{}', which another program has written", server, file),
                   "log out with that program");
  }
  return erased;
}

std::vector<std::string> stored_servers() {
  std::vector<std::string> servers;
  const Json document = read_document(own_file());
  const auto auths = document.find("auths");
  if (auths == document.end() || !auths->is_object()) return servers;
  for (const auto& [server, entry] : auths->items()) servers.push_back(server);
  return servers;
}

}  // namespace sandbox::image
