// See ignore.h.
#include "sandbox/build/ignore.h"

#include <algorithm>

#include "sandbox/base/error.h"

namespace sandbox::build {
namespace {

constexpr std::size_t kMostRules = 10'000;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\v\f";
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

}  // namespace

void IgnoreRules::add(std::string_view text) {
  const bool exception = text.starts_with('!');
  if (exception) text = trimmed(text.substr(1));
  if (exception && text.empty()) throw InvalidInput("illegal exclusion pattern: \"!\"");
  if (text.empty()) return;
  if (rules_.size() == kMostRules) throw InvalidInput(fmt::format("more than {} patterns", kMostRules));
  rules_.push_back({PathPattern(clean_path(text)), exception});
  has_exceptions_ = has_exceptions_ || exception;
}

IgnoreRules IgnoreRules::parse(std::string_view text) {
  IgnoreRules rules;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with('#')) continue;
    try {
      rules.add(trimmed(line));
    } catch (const InvalidInput& error) {
      throw InvalidInput(fmt::format("line {}: {}", number, error.what()));
    }
  }
  return rules;
}

IgnoreRules IgnoreRules::of(const std::vector<std::string>& patterns) {
  IgnoreRules rules;
  for (const std::string& pattern : patterns) rules.add(pattern);
  return rules;
}

bool IgnoreRules::ignores(std::string_view path) const {
  bool ignored = false;
  for (const Rule& rule : rules_) {
    if (rule.exception != ignored) continue;  // it could change nothing
    bool match = rule.pattern.matches(path);
    for (std::size_t end = path.find('/'); !match && end != std::string_view::npos; end = path.find('/', end + 1)) {
      match = rule.pattern.matches(path.substr(0, end));
    }
    if (match) ignored = !rule.exception;
  }
  return ignored;
}

}  // namespace sandbox::build
