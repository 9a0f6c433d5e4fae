// See expand.h.
#include "sandbox/build/expand.h"

#include <algorithm>
#include <cctype>

#include "sandbox/build/shell_pattern.h"

namespace sandbox::build {
namespace {

constexpr std::size_t kMostDepth = 32;        // of substitutions within substitutions
constexpr std::size_t kMostBytes = 1U << 20;  // of a result

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

class Lexer {
 public:
  Lexer(std::string_view text, const Lookup* lookup, const ExpandOptions& options)
      : text_(text), lookup_(lookup), options_(options) {}

  std::string run() {
    std::string result = read_until('\0', false);
    end_word();
    return result;
  }
  std::vector<std::string> take_words() { return std::move(words_); }

 private:
  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  char next() { return text_[at_++]; }

  // Words are collected at the outermost level only.
  void add(std::string& result, std::string_view piece, bool quoted) {
    result += piece;
    if (result.size() > kMostBytes) throw InvalidInput("the result of an expansion is too long");
    if (depth_ > 1) return;
    for (const char c : piece) {
      if (!quoted && is_blank(c)) {
        end_word();
      } else {
        if (!word_) word_.emplace();
        *word_ += c;
      }
    }
    if (quoted && !word_) word_.emplace();
  }
  void end_word() {
    if (word_) words_.push_back(*std::exchange(word_, std::nullopt));
  }

  /// Up to `stop`, which is taken; '\0': to the end. `raw_escapes`: for a pattern, which has its own meaning for them.
  std::string read_until(char stop, bool raw_escapes) {
    if (++depth_ > kMostDepth) throw InvalidInput("substitutions are nested too deeply");
    std::string result;
    while (!done()) {
      const char c = peek();
      if (stop != '\0' && c == stop) {
        ++at_;
        --depth_;
        return result;
      }
      if (c == '\'' && !options_.keep_quotes)
        read_single_quoted(result);
      else if (c == '"' && !options_.keep_quotes)
        read_double_quoted(result);
      else if (c == '$' && lookup_ != nullptr)
        read_dollar(result, false);
      else if (c == options_.escape)
        read_escape(result, raw_escapes);
      else
        add(result, std::string_view(&text_[at_++], 1), false);
    }
    if (stop != '\0') throw InvalidInput(fmt::format("syntax error: missing '{}'", stop == '/' ? '}' : stop));
    --depth_;
    return result;
  }

  void read_escape(std::string& result, bool raw) {
    const char escape = next();
    if (done()) return add(result, std::string_view(&escape, 1), false);
    const char c = peek();
    if (options_.keep_quotes && c != '$' && c != escape) return add(result, std::string_view(&escape, 1), true);
    if (raw) add(result, std::string_view(&escape, 1), true);
    add(result, std::string_view(&text_[at_++], 1), true);
  }

  void read_single_quoted(std::string& result) {
    ++at_;
    const auto end = text_.find('\'', at_);
    if (end == std::string_view::npos)
      throw InvalidInput("unexpected end of statement while looking for matching single-quote");
    add(result, text_.substr(at_, end - at_), true);
    at_ = end + 1;
  }

  void read_double_quoted(std::string& result) {
    ++at_;
    add(result, "", true);
    for (;;) {
      if (done()) throw InvalidInput("unexpected end of statement while looking for matching double-quote");
      const char c = peek();
      if (c == '"') break;
      if (c == '$' && lookup_ != nullptr) {
        read_dollar(result, true);
        continue;
      }
      if (c == options_.escape && at_ + 1 < text_.size()) {
        const char escaped = text_[at_ + 1];
        if (escaped == '"' || escaped == '$' || escaped == options_.escape) ++at_;
      }
      add(result, std::string_view(&text_[at_++], 1), true);
    }
    ++at_;
  }

  void read_dollar(std::string& result, bool quoted) {
    ++at_;
    if (peek() == '{' && !done()) {
      ++at_;
      return add(result, read_braces(), quoted);
    }
    const std::string name = read_name();
    add(result, name.empty() ? "$" : value(name), quoted);
  }

  /// Letters, digits and "_"; or a shell's special parameter.
  std::string read_name() {
    std::string name;
    if (is_digit(peek())) {
      while (is_digit(peek())) name += next();
      return name;
    }
    if (!done() && std::string_view("@*#?-$!").find(peek()) != std::string_view::npos) return {next()};
    while (!done() && (is_name_start(peek()) || is_digit(peek()))) name += next();
    return name;
  }

  std::string value(const std::string& name) const {
    const auto found = (*lookup_)(name);
    if (!found && options_.missed != nullptr) options_.missed->insert(name);
    return found.value_or("");
  }

  /// Behind "${".
  std::string read_braces() {
    if (done()) throw InvalidInput("syntax error: missing '}'");
    if (std::string_view("{}:").find(peek()) != std::string_view::npos)
      throw InvalidInput("syntax error: bad substitution");
    const std::string name = read_name();
    if (done()) throw InvalidInput("syntax error: missing '}'");
    const char op = next();
    if (op == '}') return value(name);
    if (op == '/') return read_replacement(name);
    if (op == '#' || op == '%') return read_removal(name, op);
    const bool empty_is_unset = op == ':';
    const char kind = empty_is_unset && !done() ? next() : op;
    if (std::string_view("-+?").find(kind) == std::string_view::npos) {
      throw InvalidInput(fmt::format("unsupported modifier ({}) in substitution",
                                     kind == op ? std::string{op} : std::string{op, kind}));
    }
    const std::string word = read_until('}', false);
    const auto found = (*lookup_)(name);
    const bool set = found && !(empty_is_unset && found->empty());
    if (kind == '-') return set ? *found : word;
    if (kind == '+') return set ? word : "";
    if (set) return *found;
    const char* reason = found ? "is not allowed to be empty" : "is not allowed to be unset";
    throw InvalidInput(fmt::format("{}: {}", name, word.empty() ? reason : word.c_str()));
  }

  std::string read_removal(const std::string& name, char op) {
    const bool longest = peek() == op && !done();
    if (longest) ++at_;
    const ShellPattern pattern(read_until('}', true));
    const std::string text = value(name);
    return op == '#' ? pattern.without_prefix(text, longest) : pattern.without_suffix(text, longest);
  }

  std::string read_replacement(const std::string& name) {
    const bool all = peek() == '/' && !done();
    if (all) ++at_;
    const ShellPattern pattern(read_until('/', true));
    const std::string replacement = read_until('}', true);
    return pattern.replaced(value(name), replacement, all);
  }

  std::string_view text_;
  const Lookup* lookup_;  ///< None: "$" means nothing.
  ExpandOptions options_;
  std::size_t at_ = 0, depth_ = 0;
  std::optional<std::string> word_;
  std::vector<std::string> words_;
};

}  // namespace

std::string expand(std::string_view text, const Lookup& lookup, const ExpandOptions& options) {
  return Lexer(text, &lookup, options).run();
}

std::vector<std::string> expand_words(std::string_view text, const Lookup& lookup, const ExpandOptions& options) {
  Lexer lexer(text, &lookup, options);
  (void)lexer.run();
  return lexer.take_words();
}

std::string unquoted(std::string_view text, char escape) { return Lexer(text, nullptr, {.escape = escape}).run(); }

}  // namespace sandbox::build
