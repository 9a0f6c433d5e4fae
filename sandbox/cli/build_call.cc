// See build_call.h. The texts are those of BuildKit's (frontend/subrequests).
#include "sandbox/cli/build_call.h"

#include <algorithm>
#include <iterator>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/build/lint.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/format/text.h"

namespace sandbox::cli {
namespace {

struct Name {
  std::string_view name;
  BuildCall::What what;
};
constexpr Name kCalls[] = {{"build", BuildCall::What::build},
                           {"check", BuildCall::What::check},
                           {"lint", BuildCall::What::check},
                           {"outline", BuildCall::What::outline},
                           {"targets", BuildCall::What::targets}};

using Needs = std::vector<build::Outline::Need>;

void print_document(const OrderedJson& document) {
  print(document.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
}

int check(const BuildCall& call, const Places& places, const engine::BuildRequest& request) {
  const engine::CheckedBuild checked = engine::check_build(places, request);
  const std::string file = checked.file.substr(checked.file.rfind('/') + 1);
  if (call.json)
    print_document(build::check_document(checked.warnings, file, checked.text));
  else
    print(build::shown_check(checked.warnings, file, checked.text));
  return checked.warnings.empty() || call.ignore_status ? 0 : 1;
}

std::string shown(const std::vector<build::Target>& targets) {
  std::string lines = "TARGET\tDESCRIPTION\n";
  for (const build::Target& target : targets) {
    std::string name = one_cell(target.name);
    if (target.is_default) name += name.empty() ? "(default)" : " (default)";
    lines += fmt::format("{}\t{}\n", name, one_cell(target.description));
  }
  return aligned(lines, {.minimum_width = 0});
}

std::string shown(const Needs& needs, const char* title) {
  if (needs.empty()) return {};
  std::string lines = fmt::format("{}\tREQUIRED\n", title);
  for (const auto& need : needs) lines += fmt::format("{}\t{}\n", one_cell(need.id), need.required ? "true" : "");
  return aligned(lines, {.minimum_width = 0}) + "\n";
}

std::string shown(const build::Outline& outline) {
  std::string text;
  if (!outline.name.empty()) {
    std::string lines = fmt::format("TARGET:\t{}\n", one_cell(outline.name));
    if (!outline.description.empty()) lines += fmt::format("DESCRIPTION:\t{}\n", one_cell(outline.description));
    text = aligned(lines, {.minimum_width = 0, .padding = 1}) + "\n";
  }
  if (!outline.arguments.empty()) {
    std::string lines = "BUILD ARG\tVALUE\tDESCRIPTION\n";
    for (const auto& one : outline.arguments)
      lines += fmt::format("{}\t{}\t{}\n", one_cell(one.name), one_cell(one.value), one_cell(one.description));
    text += aligned(lines, {.minimum_width = 0}) + "\n";
  }
  return text + shown(outline.secrets, "SECRET") + shown(outline.agents, "SSH");
}

}  // namespace

BuildCall parse_build_call(const std::string& words, bool check) {
  BuildCall call;
  if (check) call.what = BuildCall::What::check;
  for (const OptionField& field : split_options(words)) {
    const std::string_view value = field.value.value_or("");
    const auto* const known = std::ranges::find(kCalls, field.key, &Name::name);
    if (!field.value && known != std::end(kCalls))
      call.what = known->what;
    else if (field.key == "format" && (value == "json" || value == "text"))
      call.json = value == "json";
    else if (field.key == "ignorestatus" && (value == "true" || value == "false"))
      call.ignore_status = value == "true";
    else
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--call\" flag", words),
                       "build, check, outline and targets are known, with \",format=json\" or \",format=text\"");
  }
  return call;
}

int make_build_call(const BuildCall& call, const Places& places, const engine::BuildRequest& request) {
  if (call.what == BuildCall::What::check) return check(call, places, request);
  if (call.what == BuildCall::What::targets) {
    const auto [text, targets] = engine::list_targets(places, request);
    if (call.json)
      print_document(build::targets_document(targets, text));
    else
      print(shown(targets));
  } else {
    const auto [text, outline] = engine::outline_build(places, request);
    if (call.json)
      print_document(build::outline_document(outline, text));
    else
      print(shown(outline));
  }
  return 0;
}

}  // namespace sandbox::cli
