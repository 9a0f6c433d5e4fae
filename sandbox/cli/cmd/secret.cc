// `secret create`, `exists`, `inspect`, `ls` and `rm`, as with Podman.
#include "sandbox/cli/cmd/secret.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/filters.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/template.h"
#include "sandbox/container/secret_store.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

using container::Secret;
using container::SecretStore;

constexpr std::size_t kIdDigits = 25;
constexpr Option kCreateOptions[] = {
    {"driver", 'd', "string", "Secret driver (default \"file\")"},
    {"env", '\0', nullptr, "Read the secret from the environment variable that is named instead of a file"},
    {"label", 'l', "list", "Set labels"},
    {"replace", '\0', nullptr, "Replace the secret of this name"},
};
constexpr Option kInspectOptions[] = {
    {"format", 'f', "string", "Format output: 'json', or a Go template"},
    {"showsecret", '\0', nullptr, "Show the secret's data, too"},
};
constexpr Option kLsOptions[] = {
    {"filter", 'f', "filter", "Filter output based on conditions provided (id, name)"},
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"quiet", 'q', nullptr, "Only show IDs"},
};
constexpr Option kRmOptions[] = {
    {"all", 'a', nullptr, "Remove all secrets"},
    {"ignore", 'i', nullptr, "Ignore secrets that are not there"},
};

std::string read_data(const std::string& source, bool from_environment) {
  if (from_environment) {
    const char* const value = ::getenv(source.c_str());
    if (value == nullptr)
      throw NotFound(fmt::format("cannot create secret: environment variable \"{}\" is not set", source));
    return value;
  }
  return source == "-" ? read_to_end(STDIN_FILENO, "standard input", container::most_secret_bytes)
                       : read_file(source, container::most_secret_bytes);
}

int create(const Arguments& arguments) {
  if (const std::string driver = arguments.text("driver", "file"); driver != "file") {
    throw Unsupported(fmt::format("secret driver '{}' is not there", driver), "drivers: file");
  }
  Secret secret;
  secret.name = arguments.positional[0];
  if (!is_valid_name(secret.name)) {
    throw UsageError(
        fmt::format("secret name \"{}\" is invalid, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", secret.name));
  }
  secret.id = random_hex(kIdDigits);
  secret.created = secret.updated = ::time(nullptr);
  for (const std::string& label : arguments.all("label")) set_label(secret.labels, label);
  secret.data = read_data(arguments.positional[1], arguments.flag("env"));
  if (secret.data.empty()) throw UsageError("secret data must be larger than 0 and at most 512000 bytes");
  const Places places = find_places();
  make_places(places);
  SecretStore(places).add(secret, arguments.flag("replace"));
  print(secret.id + "\n");
  return 0;
}

constexpr Column<Secret> kColumns[] = {
    {"ID", "ID", [](const Secret& secret) { return secret.id; }},
    {"Name", "NAME", [](const Secret& secret) { return secret.name; }},
    {"Driver", "DRIVER", [](const Secret&) { return std::string("file"); }},
    {"CreatedAt", "CREATED",
     [](const Secret& secret) { return engine::human_duration(::time(nullptr) - secret.created) + " ago"; }},
    {"UpdatedAt", "UPDATED",
     [](const Secret& secret) { return engine::human_duration(::time(nullptr) - secret.updated) + " ago"; }},
};
constexpr Listing<Secret> kListing{"*secret.listItem", kColumns};
constexpr std::string_view kFilters[] = {"id", "name"};

int list(const Arguments& arguments) {
  const Filters filters(arguments, kFilters);
  std::vector<Secret> secrets = SecretStore(find_places()).list();
  std::erase_if(secrets, [&](const Secret& secret) {
    return !filters.any("id", [&](const auto& value) { return secret.id.starts_with(value); }) ||
           !filters.any("name", [&](const auto& value) { return is_found(value, secret.name); });
  });
  constexpr std::string_view table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}";
  print(render_listing(kListing, chosen_format({arguments.text("format"), arguments.flag("quiet"), table}), secrets));
  return 0;
}

OrderedJson document_of(const Secret& secret, bool with_data) {
  OrderedJson document = {{"ID", secret.id},
                          {"CreatedAt", engine::format_time(secret.created)},
                          {"UpdatedAt", engine::format_time(secret.updated)},
                          {"Spec",
                           {{"Name", secret.name},
                            {"Driver", {{"Name", "file"}, {"Options", OrderedJson::object()}}},
                            {"Labels", secret.labels}}}};
  if (with_data) document["SecretData"] = secret.data;
  return document;
}

int inspect(const Arguments& arguments) {
  const SecretStore store(find_places());
  const std::string format = arguments.text("format");
  const bool as_lines = format.empty() || format == "json";
  OrderedJson documents = OrderedJson::array();
  int status = 0;
  for (const std::string& name : arguments.positional) {
    try {
      documents.push_back(document_of(store.find(name), arguments.flag("showsecret")));
    } catch (const NotFound& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  if (as_lines) {
    print(json_for_terminals(documents, format.empty() ? 4 : -1) + "\n");
    return status;
  }
  const templates::Template rendered(format);
  for (const OrderedJson& document : documents) {
    const templates::Options options{.missing_is_error = true, .types = {}, .shown = without_controls};
    print(rendered.execute(templates::Value::of(document), options) + "\n");
  }
  return status;
}

void remove_one(const std::string& name, const Arguments& arguments) {
  const SecretStore store(find_places());
  try {
    store.remove(store.find(name));
  } catch (const NotFound&) {
    if (!arguments.flag("ignore")) throw;
  }
}

int remove(const Arguments& arguments) {
  if (!arguments.flag("all")) {
    if (arguments.positional.empty()) throw UsageError("'secret rm' requires the name of a secret, or --all");
    return for_each_argument(arguments, remove_one);
  }
  if (!arguments.positional.empty()) throw UsageError("--all takes no names");
  const SecretStore store(find_places());
  for (const Secret& secret : store.list()) {
    store.remove(secret);
    print(secret.id + "\n");
  }
  return 0;
}

int exists(const Arguments& arguments) {
  try {
    (void)SecretStore(find_places()).find(arguments.positional[0]);
    return 0;
  } catch (const NotFound&) {
    return 1;
  }
}

}  // namespace

const Command kSecretCreate{"secret create",
                            "secret create [OPTIONS] NEW-NAME FILE",
                            "Create a secret from a file, or '-' for standard input",
                            kCreateOptions,
                            create,
                            2,
                            2};
const Command kSecretExists{
    "secret exists", "secret exists SECRET", "Say by the status whether a secret exists", {}, exists, 1, 1};
const Command kSecretInspect{"secret inspect",
                             "secret inspect [OPTIONS] SECRET [SECRET...]",
                             "Show what is known of secrets",
                             kInspectOptions,
                             inspect,
                             1};
const Command kSecretLs{"secret ls", "secret ls [OPTIONS]", "List secrets", kLsOptions, list, 0, 0};
const Command kSecretRm{"secret rm", "secret rm [OPTIONS] SECRET [SECRET...]", "Remove secrets", kRmOptions, remove};

}  // namespace sandbox::cli
