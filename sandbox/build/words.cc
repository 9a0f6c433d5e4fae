// See words.h.
#include "sandbox/build/words.h"

#include <algorithm>

#include "sandbox/base/json.h"
#include "sandbox/build/expand.h"

namespace sandbox::build {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

bool is_blank(char c) { return kBlanks.find(c) != std::string_view::npos; }

/// Where the word that begins at `at` ends.
std::size_t end_of_word(std::string_view text, std::size_t at, char escape) {
  char quote = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quote == 0 && is_blank(c)) break;
    if (c == escape && quote != '\'')
      ++at;
    else if (c == quote)
      quote = 0;
    else if (quote == 0 && (c == '\'' || c == '"'))
      quote = c;
  }
  return std::min(at, text.size());
}

}  // namespace

std::vector<Flag> take_flags(SourceText& rest, char escape) {
  std::vector<Flag> flags;
  while (rest.text().starts_with("--")) {
    const std::size_t end = end_of_word(rest.text(), 0, escape);
    const std::string word = rest.text().substr(2, end - 2);
    const Place place = rest.at(0);
    rest = rest.from(std::min(rest.text().find_first_not_of(kBlanks, end), rest.text().size()));
    if (word.empty()) break;
    const auto equals = word.find('=');
    Flag flag{word.substr(0, equals), {}, place};
    try {
      if (equals != std::string::npos) flag.value = unquoted(std::string_view(word).substr(equals + 1), escape);
    } catch (const InvalidInput& error) {
      throw Mistake(place, error.what());
    }
    flags.push_back(std::move(flag));
  }
  return flags;
}

std::vector<Word> split_at_blanks(const SourceText& rest) {
  std::vector<Word> words;
  const std::string& text = rest.text();
  for (std::size_t at = text.find_first_not_of(kBlanks); at < text.size(); at = text.find_first_not_of(kBlanks, at)) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    words.push_back({text.substr(at, end - at), rest.at(at)});
    at = end;
  }
  return words;
}

std::vector<Word> split_words(const SourceText& rest, char escape) {
  std::vector<Word> words;
  const std::string& text = rest.text();
  for (std::size_t at = text.find_first_not_of(kBlanks); at < text.size(); at = text.find_first_not_of(kBlanks, at)) {
    const std::size_t end = end_of_word(text, at, escape);
    words.push_back({text.substr(at, end - at), rest.at(at)});
    at = end;
  }
  return words;
}

std::optional<std::vector<std::string>> json_list(std::string_view text) {
  if (!text.starts_with('[')) return {};
  Json list;
  try {
    list = parse_json(text, "a list");
  } catch (const InvalidInput&) {
    return {};
  }
  if (!list.is_array() || !std::ranges::all_of(list, [](const Json& word) { return word.is_string(); })) return {};
  return list.get<std::vector<std::string>>();
}

std::vector<Assignment> split_assignments(const SourceText& rest, char escape, std::string_view keyword) {
  std::vector<Assignment> found;
  const std::vector<Word> words = split_words(rest, escape);
  if (words.empty()) return found;
  if (words[0].text.find('=') == std::string::npos) {
    const std::string& text = rest.text();
    const auto begin = text.find_first_not_of(kBlanks, words[0].text.size());
    if (begin == std::string::npos) throw Mistake(words[0].place, fmt::format("{} must have two arguments", keyword));
    found.push_back({words[0].text, text.substr(begin), words[0].place});
    return found;
  }
  for (const Word& word : words) {
    const auto equals = word.text.find('=');
    if (equals == std::string::npos) {
      throw Mistake(word.place,
                    fmt::format("syntax error - can't find = in \"{}\". Must be of the form: name=value", word.text));
    }
    if (equals == 0) throw Mistake(word.place, fmt::format("{} names can not be blank", keyword));
    found.push_back({word.text.substr(0, equals), word.text.substr(equals + 1), word.place});
  }
  return found;
}

}  // namespace sandbox::build
