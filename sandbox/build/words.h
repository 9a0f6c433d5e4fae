// The words of an instruction: flags, lists in JSON's form, assignments. Quotes stay; expand.h takes them off. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/build/tree.h"

namespace sandbox::build {

struct Word {
  std::string text;
  Place place;
};

/// --name, --name=value
struct Flag {
  std::string name;
  std::optional<std::string> value;
  Place place;
};

/// Takes the flags at the beginning of `rest` off; "--" ends them. Quotes in them are resolved.
std::vector<Flag> take_flags(SourceText& rest, char escape);

std::vector<Word> split_at_blanks(const SourceText& rest);
/// The same, but quotes and escape characters keep blanks in a word.
std::vector<Word> split_words(const SourceText& rest, char escape);

/// ["a", "b"]; none when it isn't in that form.
std::optional<std::vector<std::string>> json_list(std::string_view text);

struct Assignment {
  std::string name, value;
  Place place;
};
/// "NAME=value …", or the older "NAME the rest". Throws Mistake.
std::vector<Assignment> split_assignments(const SourceText& rest, char escape, std::string_view keyword);

}  // namespace sandbox::build
