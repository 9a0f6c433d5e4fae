// `profile ls`, `inspect` and `explain`: what named profiles there are, and what a container of one may do.
#include "sandbox/cli/cmd/profile.h"

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/cmd/run_options.h"
#include "sandbox/cli/format/document.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/profile_arguments.h"
#include "sandbox/engine/explain.h"
#include "sandbox/engine/plan_container.h"
#include "sandbox/engine/profile.h"
#include "sandbox/engine/security.h"

namespace sandbox::cli {
namespace {

using profiles::NamedProfile;

constexpr Option kLsOptions[] = {
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"quiet", 'q', nullptr, "Only display names of profiles"},
};
constexpr Option kInspectOptions[] = {{"format", 'f', "string", "Format output: 'json', or a Go template"}};

constexpr Column<NamedProfile> kColumns[] = {
    {"Name", "NAME", [](const NamedProfile& profile) { return profile.name; }},
    {"Description", "DESCRIPTION", [](const NamedProfile& profile) { return profile.description; }},
    {"File", "FILE", [](const NamedProfile& profile) { return profile.file.empty() ? "(shipped)" : profile.file; }},
};
constexpr Listing<NamedProfile> kListing{"*formatter.profileContext", kColumns};

int list(const Arguments& arguments) {
  std::vector<NamedProfile> found;
  int status = 0;
  for (const std::string& name : engine::profile_names()) {
    try {
      found.push_back(engine::find_profile(name).back());
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  const std::string format = arguments.text("format", arguments.flag("quiet") ? "{{.Name}}" : "");
  print(render_listing(kListing, chosen_format({format, false, "{{.Name}}\t{{.Description}}\t{{.File}}"}), found));
  return status;
}

/// The options of `run` as the profile has them here, and nothing else.
Arguments options_of(const std::vector<NamedProfile>& chain) {
  return under({}, chain, engine::profile_host(chain), kRunOptions, "run");
}

/// A container of the profile.
engine::RunRequest request_of(const std::string& name) {
  Arguments arguments = options_of(engine::find_profile(name));
  arguments.positional = {"any"};
  return run_request(arguments, "run");
}

OrderedJson document_of(const std::string& name) {
  const std::vector<NamedProfile> chain = engine::find_profile(name);
  const NamedProfile& profile = chain.back();
  OrderedJson options = OrderedJson::object();
  const Arguments arguments = options_of(chain);
  for (const auto& [option, value] : arguments.words()) {
    const auto values = arguments.all(option->name);
    options[option->name] = option->metavar == nullptr ? OrderedJson(values.back() == "true")
                            : may_repeat(*option)      ? OrderedJson(values)
                                                       : OrderedJson(values.back());
  }
  return {{"Name", profile.name},
          {"Description", profile.description},
          {"File", profile.file},
          {"Extends", profile.base},
          {"Options", std::move(options)},
          {"Capabilities", profiles::capability_names(engine::planned_capabilities(request_of(name)))}};
}

int inspect(const Arguments& arguments) {
  const std::string format = arguments.text("format");
  OrderedJson documents = OrderedJson::array();
  std::string text;
  int status = 0;
  for (const std::string& name : arguments.positional) {
    try {
      OrderedJson document = document_of(name);
      if (format.empty() || format == "json")
        documents.push_back(std::move(document));
      else
        text += render_document(document, format);
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  if (format.empty() || format == "json") text = json_for_terminals(documents, format.empty() ? 4 : -1) + "\n";
  print(text);
  return status;
}

bool names_capability(std::string_view word) {
  return word.starts_with("CAP_") || word.find_first_of("abcdefghijklmnopqrstuvwxyz") == word.npos;
}

int explain(const Arguments& arguments) {
  const engine::RunRequest request = request_of(arguments.positional[0]);
  const std::string& what = arguments.positional[1];
  std::string answer;
  if (what.starts_with('/')) {
    answer = engine::explain_path(engine::plan_of_any_image(request), what);
  } else if (names_capability(what)) {
    answer = engine::explain_capability(engine::plan_of_any_image(request), what);
  } else {
    const Places places = find_places();
    make_places(places);
    answer = engine::explain_call(
        engine::seccomp_filter(engine::security_of(request), engine::planned_capabilities(request), places.data), what);
  }
  print(fmt::format("{}: {}\n", one_cell(what), one_cell(answer)));
  return 0;
}

}  // namespace

const Command kProfileLs{"profile ls", "profile ls [OPTIONS]", "List named profiles", kLsOptions, list, 0, 0};
const Command kProfileInspect{"profile inspect", "profile inspect [OPTIONS] PROFILE [PROFILE...]",
                              "Display what one or more named profiles come to here", kInspectOptions, inspect, 1};
const Command kProfileExplain{"profile explain",
                              "profile explain PROFILE SYSCALL|PATH|CAPABILITY",
                              "Say what a container of a named profile may do",
                              {},
                              explain,
                              2,
                              2};

}  // namespace sandbox::cli
