// See lint.h.
#include "sandbox/build/lint.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "sandbox/base/base64.h"
#include "sandbox/base/json.h"
#include "sandbox/build/lint_rules.h"

namespace sandbox::build {
namespace {

struct Rule {
  std::string_view name, description;
  bool experimental = false;
};

constexpr Rule kRules[] = {
    {"ConsistentInstructionCasing",
     "All commands within the Dockerfile should use the same casing (either upper or lower)"},
    {"CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore"},
    {"DuplicateStageName", "Stage names should be unique"},
    {"ExposeInvalidFormat", "IP address and host-port mapping should not be used in EXPOSE instruction"},
    {"ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase"},
    {"FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword"},
    {"FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value"},
    {"InvalidDefaultArgInFrom", "Default value for global ARG results in an empty or invalid base image name"},
    {"InvalidDefinitionDescription", "A comment above a stage or an argument should describe it", true},
    {"JSONArgsRecommended",
     "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals"},
    {"LegacyKeyValueFormat", "Legacy key/value format with whitespace separator should not be used"},
    {"MaintainerDeprecated", "The MAINTAINER instruction is deprecated, use a label instead to define an image author"},
    {"MultipleInstructionsDisallowed", "Multiple instructions of the same type should not be used in the same stage"},
    {"NoEmptyContinuation", "Empty continuation lines will become errors in a future release"},
    {"RedundantTargetPlatform",
     "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"},
    {"ReservedStageName", "Reserved words should not be used as stage names"},
    {"SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands"},
    {"StageNameCasing", "Stage names should be lowercase"},
    {"UndefinedArgInFrom", "FROM command must use declared ARGs"},
    {"UndefinedVar", "Variables should be defined before their use"},
    {"WorkdirRelativePath",
     "Relative workdir without an absolute workdir declared within the build can have "
     "unexpected results if the base image changes"},
};

const Rule* find_rule(std::string_view name) {
  const auto* const rule = std::ranges::find(kRules, name, &Rule::name);
  return rule == std::end(kRules) ? nullptr : rule;
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

/// "from-as-casing" of FromAsCasing, "json-args-recommended" of JSONArgsRecommended.
std::string url_of(std::string_view rule) {
  std::string words;
  const auto is_capital = [&](std::size_t at) { return at < rule.size() && rule[at] >= 'A' && rule[at] <= 'Z'; };
  for (std::size_t i = 0; i < rule.size(); ++i) {
    const bool begins = is_capital(i) && i > 0 && (!is_capital(i - 1) || (i + 1 < rule.size() && !is_capital(i + 1)));
    if (begins) words += '-';
    words += is_capital(i) ? static_cast<char>(rule[i] - 'A' + 'a') : rule[i];
  }
  return fmt::format("https://docs.docker.com/go/dockerfile/rule/{}/", words);
}

void read_rules(std::string_view words, bool& all, std::set<std::string, std::less<>>& names) {
  if (words == "all") {
    all = true;
    return;
  }
  for (std::size_t begin = 0; begin <= words.size();) {
    const std::size_t end = std::min(words.find(',', begin), words.size());
    names.emplace(trimmed(words.substr(begin, end - begin)));
    begin = end + 1;
  }
}

bool wants(const CheckOptions& options, const Warning& warning) {
  const Rule* const rule = find_rule(warning.rule);
  if (rule == nullptr) return true;  // about the build, and not about the file
  if (rule->experimental) return options.experimental_all || options.experimental.contains(rule->name);
  return !options.skip_all && !options.skipped.contains(rule->name);
}

/// With what a comment above an instruction adds. What is wrong there is a comment like others.
CheckOptions with_comments(CheckOptions options, const std::vector<std::string>& comments) {
  constexpr std::string_view kCheck = "check=";
  for (const std::string& comment : comments) {
    if (!comment.starts_with(kCheck)) continue;
    try {
      const std::string_view words = std::string_view(comment).substr(kCheck.size());
      CheckOptions more = parse_check_options(words.substr(0, words.find(' ')));
      options.skip_all = options.skip_all || more.skip_all;
      options.experimental_all = options.experimental_all || more.experimental_all;
      options.skipped.merge(more.skipped);
      options.experimental.merge(more.experimental);
    } catch (const InvalidInput&) {
      // as above
    }
  }
  return options;
}

}  // namespace

std::string on_one_line(const Warning& warning) {
  std::string text = warning.rule.empty() ? warning.message : fmt::format("{}: {}", warning.rule, warning.message);
  if (warning.first_line != 0) text += fmt::format(" (line {})", warning.first_line);
  return text;
}

CheckOptions parse_check_options(std::string_view words) {
  CheckOptions options;
  words = trimmed(words);
  while (!words.empty()) {
    const std::string_view part = words.substr(0, words.find(';'));
    words.remove_prefix(std::min(part.size() + 1, words.size()));
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) throw InvalidInput(fmt::format("invalid check option \"{}\"", part));
    const std::string_view key = trimmed(part.substr(0, equals)), value = trimmed(part.substr(equals + 1));
    if (key == "skip") {
      read_rules(value, options.skip_all, options.skipped);
    } else if (key == "experimental") {
      read_rules(value, options.experimental_all, options.experimental);
    } else if (key == "error" && (value == "true" || value == "false")) {
      options.error = value == "true";
    } else {
      throw InvalidInput(fmt::format("invalid check option \"{}\"", part),
                         "skip=<rules|all>, experimental=<rules|all> and error=<true|false> are known");
    }
  }
  return options;
}

CheckOptions check_options(const Tree& tree, std::string_view instead) {
  try {
    return parse_check_options(instead.empty() ? tree.check : instead);
  } catch (const InvalidInput& error) {
    throw Mistake({}, fmt::format("failed to parse check options: {}", error.what()), error.hint());
  }
}

std::vector<Warning> lint(const Tree& tree, const Graph& graph, const IgnoreRules& ignored,
                          const CheckOptions& options) {
  std::vector<Warning> found = check_text(tree);
  found.insert(found.end(), graph.warnings.begin(), graph.warnings.end());
  for (Warning& warning : check_copies(graph, ignored)) found.push_back(std::move(warning));
  std::map<std::size_t, CheckOptions> at;  // of instructions with comments, by their line
  for (const Node& node : tree.nodes) {
    if (!node.comments.empty()) at.emplace(node.place.line, with_comments(options, node.comments));
  }
  std::erase_if(found, [&](const Warning& warning) {
    const auto own = at.find(warning.first_line);
    return !wants(own == at.end() ? options : own->second, warning);
  });
  std::ranges::stable_sort(found, {}, &Warning::first_line);
  const auto [first, last] = std::ranges::unique(found);
  found.erase(first, last);
  return found;
}

std::string shown_check(const std::vector<Warning>& warnings, std::string_view file, std::string_view text) {
  if (warnings.empty()) return "Check complete, no warnings found.\n";
  std::string shown = warnings.size() == 1
                          ? "Check complete, 1 warning has been found!\n"
                          : fmt::format("Check complete, {} warnings have been found!\n", warnings.size());
  for (const Warning& warning : warnings) {
    shown += fmt::format("\nWARNING: {} - {}\n{}\n", warning.rule, url_of(warning.rule), warning.message);
    shown += marked_excerpt(file, text, warning.first_line, warning.last_line);
  }
  return shown;
}

OrderedJson check_document(const std::vector<Warning>& warnings, std::string_view file, std::string_view text) {
  OrderedJson list = OrderedJson::array();
  for (const Warning& warning : warnings) {
    const OrderedJson range = {{"start", {{"line", warning.first_line}}}, {"end", {{"line", warning.last_line}}}};
    list.push_back(OrderedJson{{"ruleName", warning.rule},
                               {"description", find_rule(warning.rule)->description},
                               {"url", url_of(warning.rule)},
                               {"detail", warning.message},
                               {"location", {{"ranges", OrderedJson::array({range})}}}});
  }
  const OrderedJson source = {{"filename", file}, {"language", "Dockerfile"}, {"data", base64(text)}};
  return {{"warnings", std::move(list)}, {"sources", OrderedJson::array({source})}};
}

}  // namespace sandbox::build
