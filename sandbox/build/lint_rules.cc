// See lint_rules.h.
#include "sandbox/build/lint_rules.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "sandbox/build/expand.h"
#include "sandbox/build/path_pattern.h"
#include "sandbox/build/remote_source.h"
#include "sandbox/build/words.h"
#include "sandbox/image/reference.h"

namespace sandbox::build {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool is_lower(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return std::isupper(c); });
}
bool is_upper(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return std::islower(c); });
}

class TextCheck {
 public:
  explicit TextCheck(const Tree& tree) : tree_(tree) {
    std::size_t lower_ones = 0, upper_ones = 0;
    bool in_stage = false;
    for (const Node& node : tree.nodes) {
      in_stage = in_stage || node.keyword == "FROM";
      if (!in_stage) continue;
      if (is_lower(node.written))
        ++lower_ones;
      else if (is_upper(node.written))
        ++upper_ones;
    }
    lower_is_usual_ = lower_ones > upper_ones;
  }

  std::vector<Warning> run() {
    for (const Node& node : tree_.nodes) {
      node_ = &node;
      if (node.keyword == "FROM") check_from();
      check_form();
      if (in_stage_) check_in_stage();
    }
    return std::move(found_);
  }

 private:
  void warn(const char* rule, std::string message) { warn_at(*node_, rule, std::move(message)); }
  void warn_at(const Node& node, const char* rule, std::string message) {
    found_.push_back({rule, std::move(message), node.place.line, node.last_line});
  }
  /// Behind the flags.
  SourceText rest() const {
    SourceText rest = node_->rest;
    (void)take_flags(rest, tree_.escape);
    return rest;
  }

  void check_from() {
    in_stage_ = true;
    last_of_kind_.clear();
    const std::vector<Word> words = split_at_blanks(rest());
    if (words.size() != 3) return;
    const std::string &as = words[1].text, &name = words[2].text;
    const std::string& from = node_->written;
    if ((is_lower(from) && !is_lower(as)) || (is_upper(from) && !is_upper(as)))
      warn("FromAsCasing", fmt::format("'{}' and '{}' keywords' casing do not match", as, from));
    if (!is_lower(name)) warn("StageNameCasing", fmt::format("Stage name '{}' should be lowercase", name));
    const std::string stage = lower(name);
    if (stage == "scratch" || stage == "context")
      warn("ReservedStageName", fmt::format("Stage name should not use the same name as reserved stage \"{}\"", stage));
    if (!stages_.insert(stage).second)
      warn("DuplicateStageName", fmt::format("Duplicate stage name \"{}\", stage names should be unique", stage));
    check_description({stage}, "FROM");
  }

  /// Of comments that describe what `keyword` defines, the last line begins with its name.
  void check_description(const std::vector<std::string>& names, std::string_view keyword) {
    if (node_->comments.empty() || names.empty()) return;
    const std::string& comment = node_->comments.back();
    if (std::ranges::find(names, comment.substr(0, comment.find(' '))) != names.end()) return;
    warn("InvalidDefinitionDescription", fmt::format("Comment for {} should follow the format: `# {} <description>`",
                                                     keyword, names.size() == 1 ? names[0] : "<arg_key>"));
  }

  void check_form() {
    const std::string& keyword = node_->keyword;
    if (node_->empty_continuation) warn("NoEmptyContinuation", "Empty continuation line");
    if (in_stage_ && !(lower_is_usual_ ? is_lower(node_->written) : is_upper(node_->written))) {
      warn("ConsistentInstructionCasing", fmt::format("Command '{}' should match the case of the command majority ({})",
                                                      node_->written, lower_is_usual_ ? "lowercase" : "uppercase"));
    }
    if (keyword == "MAINTAINER")
      warn("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label");
    if (keyword == "ARG") {
      std::vector<std::string> names;
      for (const Word& word : split_words(rest(), tree_.escape))
        names.push_back(word.text.substr(0, word.text.find('=')));
      check_description(names, keyword);
      for (const std::string& name : names) check_secret(name);
    }
  }

  void check_secret(std::string_view name) {
    if (in_stage_ && is_secret_name(name)) {
      warn("SecretsUsedInArgOrEnv",
           fmt::format("Do not use ARG or ENV instructions for sensitive data ({} \"{}\")", node_->keyword, name));
    }
  }

  void check_in_stage() {
    const std::string& keyword = node_->keyword;
    if (keyword == "ENV" || keyword == "LABEL") {
      const std::vector<Word> words = split_words(rest(), tree_.escape);
      if (words.at(0).text.find('=') == std::string::npos) {
        warn("LegacyKeyValueFormat",
             fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key value\" format", keyword));
      }
      for (const Assignment& one : split_assignments(rest(), tree_.escape, keyword)) {
        if (keyword == "ENV") check_secret(one.name);
      }
    }
    if (keyword == "CMD" || keyword == "ENTRYPOINT" || keyword == "HEALTHCHECK") {
      const auto [before, is_first] = last_of_kind_.try_emplace(keyword, node_);
      if (!is_first) {
        // It is the earlier one that counts for nothing.
        warn_at(*before->second, "MultipleInstructionsDisallowed",
                fmt::format("Multiple {} instructions should not be used in the same stage because only the last one "
                            "will be used",
                            keyword));
        before->second = node_;
      }
    }
  }

  const Tree& tree_;
  std::vector<Warning> found_;
  bool lower_is_usual_ = false, in_stage_ = false;
  const Node* node_ = nullptr;
  std::set<std::string> stages_;
  std::map<std::string, const Node*> last_of_kind_;  ///< In the stage.
};

Lookup among(const Variables& variables) {
  return [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

class BaseCheck {
 public:
  BaseCheck(const Dockerfile& file, const Variables& globals, const Variables& defaults)
      : file_(file), globals_(globals), defaults_(defaults) {
    for (const Arg& arg : file.globals) {
      for (const Arg::Variable& variable : arg.variables) declared_.insert(variable.name);
    }
    for (const auto& [name, value] : globals) declared_.insert(name);
  }

  std::vector<Warning> run() {
    for (const Stage& stage : file_.stages) {
      stage_ = &stage;
      try {
        check_names(stage.base.image.text);
        check_names(stage.base.platform);
        check_platform();
        check_default();
      } catch (const InvalidInput&) {
        // no word: that is told where the stage is needed
      }
    }
    return std::move(found_);
  }

 private:
  void warn(const char* rule, std::string message) {
    found_.push_back({rule, std::move(message), stage_->place.line, stage_->last_line});
  }

  void check_names(const std::string& word) {
    std::set<std::string> missed;
    (void)expand(word, among(globals_), {.escape = file_.escape, .missed = &missed});
    for (const std::string& name : missed) {
      if (declared_.contains(name)) continue;
      const std::vector<std::string_view> names(declared_.begin(), declared_.end());
      const std::string meant = suggestion(name, names);
      warn("UndefinedArgInFrom",
           fmt::format("FROM argument '{}' is not declared{}", name, meant.empty() ? "" : fmt::format(" ({})", meant)));
    }
  }

  void check_platform() {
    const std::string& platform = stage_->base.platform;
    if (platform == "$TARGETPLATFORM" || platform == "${TARGETPLATFORM}") {
      warn("RedundantTargetPlatform",
           fmt::format("Setting platform to predefined {} in FROM is redundant as this is the default behavior",
                       platform));
    }
    if (platform.empty() || platform.find('$') != std::string::npos) return;
    const auto slash = platform.find('/');
    const std::string os = platform.substr(0, slash);
    const std::string architecture =
        slash == std::string::npos ? os : platform.substr(slash + 1, platform.find('/', slash + 1) - slash - 1);
    const std::string& name = stage_->base.name;
    // A stage that is called after its platform is one of several.
    if (name.find(os) != std::string::npos || name.find(architecture) != std::string::npos) return;
    warn("FromPlatformFlagConstDisallowed",
         fmt::format("FROM --platform flag should not use constant value \"{}\"", platform));
  }

  void check_default() {
    const std::string& word = stage_->base.image.text;
    const std::string name = expand(word, among(defaults_), {.escape = file_.escape});
    if (!name.empty() && image::try_parse_reference(name)) return;
    warn("InvalidDefaultArgInFrom",
         fmt::format("Default value for ARG {} results in empty or invalid base image name", word));
  }

  const Dockerfile& file_;
  const Variables &globals_, &defaults_;
  std::set<std::string> declared_;
  const Stage* stage_ = nullptr;
  std::vector<Warning> found_;
};

}  // namespace

bool is_secret_name(std::string_view name) {
  constexpr std::string_view kSecret[] = {"apikey",   "auth",  "credential", "credentials", "key",
                                          "password", "pword", "passwd",     "secret",      "token"};
  constexpr std::string_view kNone[] = {"public", "file", "version"};
  bool secret = false;
  const std::string whole = lower(name);
  for (std::size_t begin = 0; begin <= whole.size();) {
    const std::size_t end = std::min(whole.find('_', begin), whole.size());
    const std::string_view word = std::string_view(whole).substr(begin, end - begin);
    if (std::ranges::find(kNone, word) != std::end(kNone)) return false;
    secret = secret || std::ranges::find(kSecret, word) != std::end(kSecret);
    begin = end + 1;
  }
  return secret;
}

std::vector<Warning> check_text(const Tree& tree) { return TextCheck(tree).run(); }

std::vector<Warning> check_bases(const Dockerfile& file, const Variables& globals, const Variables& defaults) {
  return BaseCheck(file, globals, defaults).run();
}

std::vector<Warning> check_copies(const Graph& graph, const IgnoreRules& ignored) {
  std::vector<Warning> found;
  if (ignored.empty() || !ignored.prunes()) return found;  // with exceptions it isn't known before files are looked at
  for (const Vertex& vertex : graph.vertices) {
    const auto* const copy = std::get_if<CopyOp>(&vertex.op);
    if (copy == nullptr || copy->source != kScratch) continue;
    for (const std::string& source : copy->sources) {
      const std::string path = clean_path(source);
      if (path == "." || (copy->add && is_remote(source)) || !ignored.ignores(path)) continue;
      found.push_back({"CopyIgnoredFile",
                       fmt::format("Attempting to {} file \"{}\" that is excluded by .dockerignore",
                                   copy->add ? "Add" : "Copy", path),
                       vertex.place.line, vertex.last_line});
    }
  }
  return found;
}

}  // namespace sandbox::build
