// See options.h. Pure.
#include "sandbox/cli/options.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/suggestion.h"

namespace sandbox::cli {
namespace {

const Option* find_long(std::span<const Option> options, std::string_view name) {
  const auto found = std::ranges::find_if(options, [&](const Option& option) { return name == option.name; });
  return found == options.end() ? nullptr : &*found;
}

const Option* find_short(std::span<const Option> options, char name) {
  const auto found = std::ranges::find_if(options, [&](const Option& option) { return name == option.short_name; });
  return found == options.end() ? nullptr : &*found;
}

bool is_false(std::string_view text) {
  return text == "false" || text == "0" || text == "f" || text == "F" || text == "FALSE" || text == "False";
}

bool is_true(std::string_view text) {
  return text == "true" || text == "1" || text == "t" || text == "T" || text == "TRUE" || text == "True";
}

std::string shown(const Option& option) {
  return option.short_name != '\0' ? fmt::format("-{}, --{}", option.short_name, option.name)
                                   : fmt::format("--{}", option.name);
}

/// strconv.ParseBool's words.
std::string checked_bool(const Option& option, std::string_view value) {
  if (is_true(value)) return "true";
  if (is_false(value)) return "false";
  throw UsageError(fmt::format("invalid argument \"{}\" for \"{}\" flag: strconv.ParseBool: parsing \"{}\": invalid syntax",
                               value, shown(option), value));
}

class Parser {
 public:
  Parser(std::span<const Option> options, std::span<char* const> words, std::span<const RefusedOption> refused)
      : options_(options), words_(words), refused_(refused) {}

  Arguments parse(bool interspersed) {
    while (next_ < words_.size()) {
      const std::string_view word = words_[next_++];
      if (word == "--") {
        take_rest();
      } else if (word.starts_with("--")) {
        parse_long(word.substr(2));
      } else if (word.size() > 1 && word[0] == '-') {
        parse_shorts(word.substr(1));
      } else {
        result_.positional.emplace_back(word);
        if (!interspersed) take_rest();
      }
    }
    return std::move(result_);
  }

 private:
  void take_rest() {
    while (next_ < words_.size()) result_.positional.emplace_back(words_[next_++]);
  }

  void parse_long(std::string_view word) {
    const auto equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const Option* option = find_long(options_, name);
    if (option == nullptr) {
      if (name == "help") {
        result_.help = true;
        return;
      }
      for (const RefusedOption& other : refused_) {
        if (name == other.name) throw Unsupported(fmt::format("--{} is not possible: {}", name, other.reason));
      }
      std::vector<std::string_view> known = {"help"};
      for (const Option& other : options_) known.push_back(other.name);
      const std::string_view meant = suggestion(name, known);
      throw UsageError(fmt::format("unknown flag: --{}", name), meant.empty() ? "" : fmt::format("did you mean '--{}'?", meant));
    }
    if (equals != std::string_view::npos) {
      const std::string_view value = word.substr(equals + 1);
      result_.add(*option, option->metavar == nullptr ? checked_bool(*option, value) : std::string(value));
    } else if (option->metavar == nullptr) {
      result_.add(*option, "true");
    } else if (next_ < words_.size()) {
      result_.add(*option, words_[next_++]);
    } else {
      throw UsageError(fmt::format("flag needs an argument: --{}", name));
    }
  }

  void parse_shorts(std::string_view word) {
    for (std::size_t i = 0; i < word.size(); ++i) {
      const Option* option = find_short(options_, word[i]);
      if (option == nullptr) {
        if (word[i] == 'h') {
          result_.help = true;
          continue;
        }
        throw UsageError(fmt::format("unknown shorthand flag: '{}' in -{}", word[i], word.substr(i)));
      }
      std::string_view rest = word.substr(i + 1);
      const bool assigned = rest.starts_with('=');
      if (assigned) rest.remove_prefix(1);
      if (option->metavar == nullptr) {
        result_.add(*option, assigned ? checked_bool(*option, rest) : "true");
        if (assigned) return;
        continue;
      }
      if (!rest.empty() || assigned) {
        result_.add(*option, std::string(rest));
      } else if (next_ < words_.size()) {
        result_.add(*option, words_[next_++]);
      } else {
        throw UsageError(fmt::format("flag needs an argument: '{}' in -{}", word[i], word.substr(i)));
      }
      return;
    }
  }

  std::span<const Option> options_;
  std::span<char* const> words_;
  std::span<const RefusedOption> refused_;
  std::size_t next_ = 0;
  Arguments result_;
};

}  // namespace

std::optional<std::string> Arguments::last(std::string_view name) const {
  for (auto entry = values_.rbegin(); entry != values_.rend(); ++entry) {
    if (name == entry->first->name) return entry->second;
  }
  return {};
}

bool Arguments::flag(std::string_view name) const { return last(name) == "true"; }

std::string Arguments::text(std::string_view name, std::string_view otherwise) const {
  return last(name).value_or(std::string(otherwise));
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [option, value] : values_) {
    if (name == option->name) found.push_back(value);
  }
  return found;
}

Arguments parse_arguments(std::span<const Option> options, bool interspersed, std::span<char* const> words,
                          std::span<const RefusedOption> refused) {
  return Parser(options, words, refused).parse(interspersed);
}

std::string render_options(std::span<const Option> options) {
  std::vector<std::string> left;
  std::size_t width = 0;
  for (const Option& option : options) {
    std::string text = option.short_name != '\0' ? fmt::format("  -{}, --{}", option.short_name, option.name)
                                                 : fmt::format("      --{}", option.name);
    if (option.metavar != nullptr) text += fmt::format(" {}", option.metavar);
    width = std::max(width, text.size());
    left.push_back(std::move(text));
  }
  std::string block = options.empty() ? "" : "Options:\n";
  for (std::size_t i = 0; i < options.size(); ++i) block += fmt::format("{:<{}}   {}\n", left[i], width, options[i].help);
  return block;
}

}  // namespace sandbox::cli
