// See profile_arguments.h.
#include "sandbox/cli/profile_arguments.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/engine/profile.h"

namespace sandbox::cli {
namespace {

using profiles::NamedProfile;
using profiles::OptionKind;
using profiles::OptionWord;

const char* misuse(const Option& option, OptionKind kind) {
  if (option.metavar == nullptr) return kind == OptionKind::flag ? nullptr : "is true or false";
  if (may_repeat(option)) return kind == OptionKind::list ? nullptr : "is a list of strings";
  return kind == OptionKind::value ? nullptr : "is a string or a whole number";
}

const Option* find_option(std::span<const Option> options, std::string_view name) {
  const auto found =
      std::ranges::find(options, name, [](const Option& option) { return std::string_view(option.name); });
  return found == options.end() ? nullptr : &*found;
}

void check(const NamedProfile& profile, std::span<const Option> options, std::string_view command) {
  for (const profiles::ProfileOption& given : profile.options) {
    const Option* const option = find_option(options, given.name);
    const auto refuse = [&](std::string_view problem) {
      throw UsageError(fmt::format("{}: 'options.{}' {}", title_of(profile), given.name, problem));
    };
    if (option == nullptr) refuse(fmt::format("is no option of '{}'", command));
    if (const char* const problem = misuse(*option, given.kind)) refuse(problem);
  }
}

}  // namespace

bool may_repeat(const Option& option) {
  constexpr std::string_view repeating[] = {"list", "map", "mount", "ulimit"};
  return option.metavar != nullptr && std::ranges::find(repeating, option.metavar) != std::end(repeating);
}

Arguments under(const Arguments& given, const std::vector<NamedProfile>& chain, const profiles::ProfileHost& host,
                std::span<const Option> options, std::string_view command) {
  std::vector<OptionWord> words;
  for (const NamedProfile& profile : chain) {
    check(profile, options, command);
    words = engine::override_words(std::move(words), option_words(profile, host));
  }
  std::vector<OptionWord> own;
  for (const auto& [option, value] : given.words()) own.push_back({option->name, value});
  Arguments result;
  result.positional = given.positional;
  for (OptionWord& word : engine::override_words(std::move(words), own)) {
    result.add(*find_option(options, word.name), std::move(word.value));
  }
  return result;
}

Arguments with_profile(const Arguments& given, std::span<const Option> options, std::string_view command) {
  const auto name = given.last("profile");
  if (!name) return given;
  const auto chain = engine::find_profile(*name);
  return under(given, chain, engine::profile_host(chain), options, command);
}

}  // namespace sandbox::cli
