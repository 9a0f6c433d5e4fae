// See tree.h.
#include "sandbox/build/tree.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "sandbox/build/expand.h"

namespace sandbox::build {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";

std::string_view trimmed_left(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

std::string_view trimmed_right(std::string_view text) { return text.substr(0, text.find_last_not_of(kBlanks) + 1); }

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool is_comment(std::string_view line) { return trimmed_left(line).starts_with('#'); }
bool is_empty(std::string_view line) { return trimmed_left(line).empty(); }

/// The text's lines, one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  std::size_t number() const { return number_; }  ///< Of the line that next() gives.
  std::string_view next() {
    std::string_view line = peek();
    rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size() - 1) + 1);
    ++number_;
    return line;
  }
  std::string_view peek() const {
    std::string_view line = rest_.substr(0, rest_.find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

 private:
  std::string_view rest_;
  std::size_t number_ = 1;
};

struct Directive {
  std::string name, value;
};

/// "# name=value", for the names that there are.
std::optional<Directive> parse_directive(std::string_view line) {
  line = trimmed_left(line);
  if (!line.starts_with('#')) return {};
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return {};
  const std::string name = lower(trimmed_right(trimmed_left(line.substr(1, equals - 1))));
  if (name != "syntax" && name != "escape" && name != "check") return {};
  return Directive{name, std::string(trimmed_right(trimmed_left(line.substr(equals + 1))))};
}

void read_directives(Lines& lines, Tree& tree) {
  std::set<std::string> seen;
  while (!lines.done()) {
    const auto directive = parse_directive(lines.peek());
    if (!directive) return;
    const Place place{lines.number(), 1};
    if (!seen.insert(directive->name).second) {
      throw Mistake(place, fmt::format("only one {} parser directive can be used", directive->name));
    }
    if (directive->name == "syntax") tree.syntax = directive->value;
    if (directive->name == "check") tree.check = directive->value;
    if (directive->name == "escape") {
      if (directive->value != "\\" && directive->value != "`") {
        throw Mistake(place, fmt::format("invalid escape token '{}' does not match ` or \\", directive->value));
      }
      tree.escape = directive->value[0];
    }
    (void)lines.next();
  }
}

/// The line without the character that continues it, or nothing when it ends here. An escaped escape character stands
/// for itself.
std::optional<std::string_view> continued(std::string_view line, char escape) {
  const std::string_view text = trimmed_right(line);
  if (!text.ends_with(escape)) return {};
  if (text.size() > 1 && text[text.size() - 2] == escape) return {};
  return text.substr(0, text.size() - 1);
}

/// One instruction's line with those that continue it.
SourceText read_logical_line(Lines& lines, char escape, bool& empty_line) {
  SourceText text;
  for (bool first = true; !lines.done(); first = false) {
    const std::size_t number = lines.number();
    std::string_view line = lines.next();
    empty_line = empty_line || is_empty(line);
    if (!first && (is_comment(line) || is_empty(line))) continue;
    const std::size_t skipped = first ? line.size() - trimmed_left(line).size() : 0;
    const auto part = continued(line, escape);
    text.append((part ? *part : line).substr(skipped), {number, skipped + 1});
    if (!part) break;
  }
  return text;
}

/// "<<EOF", "3<<-'EOF'": the pieces, or nothing.
std::optional<Heredoc> heredoc_mark(std::string_view word, char escape) {
  word.remove_prefix(std::min(word.find_first_not_of("0123456789"), word.size()));
  if (!word.starts_with("<<")) return {};
  word.remove_prefix(2);
  Heredoc found;
  if (word.starts_with('-')) {
    found.strip_tabs = true;
    word.remove_prefix(1);
  }
  if (word.empty() || word.find('<') != std::string_view::npos) return {};
  found.expand = word.find_first_of("'\"") == std::string_view::npos && word.find(escape) == std::string_view::npos;
  try {
    found.name = unquoted(word, escape);
  } catch (const InvalidInput&) {
    return {};
  }
  if (found.name.empty()) return {};
  return found;
}

/// Words with their quotes, as a shell sees them.
std::vector<std::string_view> shell_words(std::string_view text, char escape) {
  std::vector<std::string_view> words;
  std::size_t begin = std::string_view::npos;
  char quote = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote == 0 && kBlanks.find(c) != std::string_view::npos) {
      if (begin != std::string_view::npos) words.push_back(text.substr(begin, at - begin));
      begin = std::string_view::npos;
      continue;
    }
    if (begin == std::string_view::npos) begin = at;
    if (c == escape && quote != '\'')
      ++at;
    else if (c == quote)
      quote = 0;
    else if (quote == 0 && (c == '\'' || c == '"'))
      quote = c;
  }
  if (begin != std::string_view::npos) words.push_back(text.substr(begin));
  return words;
}

std::vector<Heredoc> heredoc_marks(std::string_view keyword, std::string_view rest, char escape) {
  std::vector<Heredoc> found;
  if (keyword == "ONBUILD") {
    rest = trimmed_left(rest);
    const auto end = std::min(rest.find_first_of(kBlanks), rest.size());
    const std::string inner = upper(rest.substr(0, end));
    return inner == "ONBUILD" ? found : heredoc_marks(inner, rest.substr(end), escape);
  }
  if (keyword != "RUN" && keyword != "COPY" && keyword != "ADD") return found;
  if (trimmed_left(rest).starts_with('[')) return found;  // the exec form
  for (const std::string_view word : shell_words(rest, escape)) {
    if (auto mark = heredoc_mark(word, escape)) found.push_back(std::move(*mark));
  }
  return found;
}

void read_heredoc(Lines& lines, Heredoc& heredoc, const Place& place) {
  while (!lines.done()) {
    std::string_view line = lines.next();
    if (heredoc.strip_tabs) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
    if (line == heredoc.name) return;
    heredoc.content.append(line).append("\n");
  }
  throw Mistake(place, fmt::format("unterminated heredoc: no line '{}' follows", heredoc.name));
}

Node read_node(Lines& lines, char escape) {
  Node node;
  const SourceText line = read_logical_line(lines, escape, node.empty_continuation);
  const std::string_view text = trimmed_right(line.text());
  const auto end = std::min(text.find_first_of(kBlanks), text.size());
  node.written = text.substr(0, end);
  node.keyword = upper(node.written);
  node.place = line.at(0);
  const auto begin = std::min(text.find_first_not_of(kBlanks, end), text.size());
  node.rest = line.from(begin);
  node.heredocs = heredoc_marks(node.keyword, node.rest.text(), escape);
  for (Heredoc& heredoc : node.heredocs) read_heredoc(lines, heredoc, node.place);
  node.last_line = lines.number() - 1;
  return node;
}

}  // namespace

void SourceText::append(std::string_view part, Place at) {
  parts_.push_back({text_.size(), at});
  text_ += part;
}

Place SourceText::at(std::size_t offset) const {
  Place place;
  for (const Part& part : parts_) {
    if (part.offset > offset) break;
    place = {part.place.line, part.place.column + offset - part.offset};
  }
  return place;
}

SourceText SourceText::from(std::size_t offset) const {
  SourceText result;
  const std::string_view text = trimmed_right(text_);
  result.text_ = text.substr(std::min(offset, text.size()));
  result.parts_.push_back({0, at(offset)});
  for (const Part& part : parts_) {
    if (part.offset > offset) result.parts_.push_back({part.offset - offset, part.place});
  }
  return result;
}

Tree parse_tree(std::string_view text) {
  if (text.size() > max_dockerfile) throw Mistake({}, fmt::format("larger than {} bytes", max_dockerfile));
  if (text.find('\0') != std::string_view::npos) throw Mistake({}, "contains a zero byte");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark, as editors of Windows leave it
  Tree tree;
  Lines lines(text);
  read_directives(lines, tree);
  std::vector<std::string> comments;
  while (!lines.done()) {
    if (is_comment(lines.peek())) {
      const std::string_view words = trimmed_left(trimmed_left(lines.next()).substr(1));
      comments.emplace_back(trimmed_right(words));
      continue;
    }
    if (is_empty(lines.peek())) {
      (void)lines.next();
      comments.clear();
      continue;
    }
    tree.nodes.push_back(read_node(lines, tree.escape));
    tree.nodes.back().comments = std::exchange(comments, {});
  }
  if (tree.nodes.empty()) throw Mistake({}, "file with no instructions");
  return tree;
}

}  // namespace sandbox::build
