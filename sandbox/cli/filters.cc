// See filters.h.
#include "sandbox/cli/filters.h"

#include <regex.h>

#include <algorithm>
#include <memory>

#include "sandbox/base/error.h"

namespace sandbox::cli {

Filters::Filters(const Arguments& arguments, std::span<const std::string_view> known) {
  for (const std::string& word : arguments.all("filter")) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      throw FlagError(fmt::format("invalid argument \"{}\" for \"-f, --filter\" flag: invalid filter format (expected "
                                  "name=value)", word));
    }
    const std::string name = word.substr(0, equals);
    if (std::ranges::find(known, name) == known.end()) throw UsageError(fmt::format("invalid filter '{}'", name));
    values_[name].push_back(word.substr(equals + 1));
  }
}

std::span<const std::string> Filters::values(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::span<const std::string>() : found->second;
}

namespace {

bool have_all(const std::map<std::string, std::string>& labels, std::span<const std::string> words) {
  return std::ranges::all_of(words, [&](const std::string& wanted) {
    const auto equals = wanted.find('=');
    const auto found = labels.find(wanted.substr(0, equals));
    return found != labels.end() && (equals == std::string::npos || found->second == wanted.substr(equals + 1));
  });
}

}  // namespace

bool Filters::labels_fit(const std::map<std::string, std::string>& labels) const {
  return have_all(labels, values("label"));
}

bool Filters::labels_differ(const std::map<std::string, std::string>& labels) const {
  return !has("label!") || !have_all(labels, values("label!"));
}

bool is_found(const std::string& pattern, const std::string& text) {
  regex_t compiled{};
  if (::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
    throw UsageError(fmt::format("'{}' is no regular expression", pattern));
  }
  const std::unique_ptr<regex_t, void (*)(regex_t*)> owner(&compiled, ::regfree);
  return ::regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace sandbox::cli
