// `login` and `logout`: credentials for a registry, tried there before they are kept.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/prompt.h"
#include "sandbox/image/credentials.h"
#include "sandbox/image/registry_client.h"

namespace sandbox::cli {
namespace {

constexpr Option kLoginOptions[] = {
    {"password", 'p', "string", "Password or Personal Access Token (PAT)"},
    {"password-stdin", '\0', nullptr, "Take the Password or Personal Access Token (PAT) from stdin"},
    {"username", 'u', "string", "Username"},
};
constexpr Option kLogoutOptions[] = {{"all", 'a', nullptr, "Remove the login credentials of all registries"}};

/// The name that credentials are kept under, from what Docker's users write: a host, or a url of it.
std::string server_of(const Arguments& arguments) {
  std::string text = arguments.positional.empty() ? "docker.io" : arguments.positional[0];
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) text.erase(0, scheme.size());
  }
  for (const std::string_view end : {"/", "/v1", "/v2"}) {
    if (text.ends_with(end)) text.resize(text.size() - end.size());
  }
  if (text == "index.docker.io" || text == "registry-1.docker.io") text = "docker.io";
  const image::Reference name = image::parse_reference(text + "/x");
  if (text.substr(0, text.find('/')) != name.registry) throw UsageError(fmt::format("'{}' names no registry", text));
  return text;
}

/// The repository is the part that the credentials are for.
image::Reference registry_of(const std::string& server) {
  const auto slash = server.find('/');
  return {server.substr(0, slash), slash == std::string::npos ? "" : server.substr(slash + 1), {}, {}};
}

void try_credentials(const std::string& server, const image::Credentials& credentials) {
  const image::Reference registry = registry_of(server);
  image::RegistryClient({registry, image::is_insecure(image::load_registries_conf(), registry.registry)})
      .log_in(credentials);
}

std::string password_of(const Arguments& arguments) {
  if (arguments.flag("password-stdin")) {
    std::string password = read_to_end(STDIN_FILENO, "the password", 64U << 10);
    if (password.ends_with('\n')) password.pop_back();
    if (password.ends_with('\r')) password.pop_back();
    return password;
  }
  if (const auto given = arguments.last("password")) {
    print_error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    return *given;
  }
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error("cannot perform an interactive login from a non-TTY device", "use --username and --password-stdin");
  }
  return ask("Password: ", true);
}

image::Credentials asked_for(const Arguments& arguments) {
  image::Credentials given;
  if (arguments.flag("password-stdin") && !arguments.last("username")) {
    throw UsageError("must provide --username with --password-stdin");
  }
  if (arguments.flag("password-stdin") && arguments.last("password")) {
    throw UsageError("--password and --password-stdin are mutually exclusive");
  }
  given.user = arguments.text("username");
  if (given.user.empty() && ::isatty(STDIN_FILENO) == 1) given.user = ask("Username: ", false);
  if (given.user.contains(':')) throw UsageError("a username has no colon");
  given.password = password_of(arguments);
  if (given.user.empty()) throw UsageError("username is empty");
  if (given.password.empty()) throw UsageError("password is empty");
  return given;
}

/// As Docker: without words about who it is, those that are kept are tried.
bool has_valid_login(const std::string& server, const Arguments& arguments) {
  if (arguments.last("username") || arguments.last("password") || arguments.flag("password-stdin")) return false;
  const image::Credentials kept = image::find_credentials(registry_of(server));
  if (kept.empty()) return false;
  print(fmt::format("Authenticating with existing credentials...{}\n",
                    kept.user.empty() ? "" : fmt::format(" [Username: {}]", kept.user)));
  try {
    try_credentials(server, kept);
    return true;
  } catch (const Error& error) {
    if (::isatty(STDIN_FILENO) != 1) throw;
    print_error(error.what(), error.hint());
    return false;
  }
}

int log_in(const Arguments& arguments) {
  const std::string server = server_of(arguments);
  if (!has_valid_login(server, arguments)) {
    const image::Credentials given = asked_for(arguments);
    try_credentials(server, given);
    const std::string place = image::store_credentials(server, given);
    if (place.starts_with('/'))
      print_error(fmt::format("WARNING! Your credentials are stored unencrypted in '{}'.", place));
  }
  print("Login Succeeded\n");
  return 0;
}

int log_out(const Arguments& arguments) {
  const auto servers = arguments.flag("all") ? image::stored_servers() : std::vector{server_of(arguments)};
  for (const std::string& server : servers) {
    if (image::erase_credentials(server))
      print(fmt::format("Removing login credentials for {}\n", server));
    else
      print(fmt::format("Not logged in to {}\n", server));
  }
  return 0;
}

}  // namespace

const Command kLogin{"login", "login [OPTIONS] [SERVER]", "Authenticate to a registry", kLoginOptions, log_in, 0, 1};
const Command kLogout{"logout", "logout [OPTIONS] [SERVER]", "Log out from a registry", kLogoutOptions, log_out, 0, 1};

}  // namespace sandbox::cli
