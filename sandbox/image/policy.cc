#include "sandbox/image/policy.h"

#include <cstdlib>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"

namespace sandbox::image {
namespace {

/// What the scope may be listed as, the most particular first.
std::vector<std::string> scopes_of(const std::string& transport, std::string scope) {
  std::vector<std::string> scopes = {scope};
  const auto slash = scope.rfind('/');
  if (const auto end = scope.find_first_of(":@", slash == std::string::npos ? 0 : slash); end != std::string::npos) {
    scopes.push_back(scope.substr(0, end));
    scope.resize(end);
  }
  for (auto at = scope.rfind('/'); at != std::string::npos && at > 0; at = scope.rfind('/')) {
    scope.resize(at);
    scopes.push_back(scope);
  }
  if (transport == "docker") {
    for (auto dot = scope.find('.'); dot != std::string::npos; dot = scope.find('.', dot + 1)) {
      scopes.push_back("*" + scope.substr(dot));
    }
  }
  scopes.push_back("");
  return scopes;
}

/// All requirements have to be met; a list without any accepts nothing.
std::string judge_requirements(const Json& requirements) {
  if (!requirements.is_array() || requirements.empty())
    throw InvalidInput("policy.json: a scope has no list of requirements");
  for (const Json& requirement : requirements) {
    const Json* type = requirement.is_object() && requirement.contains("type") ? &requirement.at("type") : nullptr;
    if (type == nullptr || !type->is_string()) throw InvalidInput("policy.json: a requirement has no type");
    const std::string& word = type->get_ref<const std::string&>();
    if (word == "insecureAcceptAnything") continue;
    if (word == "reject") return "it is rejected";
    if (word == "signedBy" || word == "sigstoreSigned") return "it has to be signed, which is not checked here";
    throw InvalidInput(fmt::format("policy.json: unknown type of requirement '{}'", word));
  }
  return {};
}

}  // namespace

std::string judge(const Json& policy, const std::string& transport, const std::string& scope) {
  if (!policy.is_object() || !policy.contains("default")) throw InvalidInput("policy.json has no 'default'");
  if (const auto transports = policy.find("transports"); transports != policy.end() && transports->is_object()) {
    if (const auto listed = transports->find(transport); listed != transports->end() && listed->is_object()) {
      for (const std::string& name : scopes_of(transport, scope)) {
        if (const auto found = listed->find(name); found != listed->end()) return judge_requirements(*found);
      }
    }
  }
  return judge_requirements(policy.at("default"));
}

void require_accepted(const std::string& transport, const std::string& scope) {
  std::vector<std::string> files = {"/etc/containers/policy.json"};
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  if (config != nullptr && *config != '\0')
    files.insert(files.begin(), std::string(config) + "/containers/policy.json");
  else if (home != nullptr && *home != '\0')
    files.insert(files.begin(), std::string(home) + "/.config/containers/policy.json");
  for (const std::string& file : files) {
    if (!path_exists(file)) continue;
    const std::string why = judge(parse_json(read_file(file), file), transport, scope);
    if (!why.empty())
      throw Conflict(fmt::format("image '{}:{}' is not accepted: {}", transport, scope, why), "the policy is " + file);
    return;
  }
}

}  // namespace sandbox::image
