// Tokens of a template: the state machine of Go's text/template/parse/lex.go. Pure.
#include <fmt/format.h>

#include <algorithm>

#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/tree.h"

namespace sandbox::cli::templates {
namespace {

constexpr std::string_view kLeft = "{{", kRight = "}}", kSpaces = " \t\r\n";

bool is_space(char c) { return kSpaces.find(c) != kSpaces.npos; }

/// Letters beyond ASCII are not told from other characters: no name of ours has any.
bool is_word(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
}

/// fmt's %#U.
std::string shown(std::string_view rest) {
  if (rest.empty()) return "U+FFFFFFFFFFFFFFFF";
  const std::string_view before = rest;
  const auto character = static_cast<std::uint32_t>(next_character(rest));
  const std::string_view bytes = before.substr(0, before.size() - rest.size());
  const std::string code = fmt::format("U+{:04X}", character);
  return character < 0x20 || character == 0x7F ? code : fmt::format("{} '{}'", code, bytes);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (!done_) {
      if (in_action_)
        inside_action();
      else
        outside();
    }
    return std::move(tokens_);
  }

 private:
  std::string_view rest(std::size_t ahead = 0) const { return text_.substr(std::min(position_ + ahead, text_.size())); }
  bool at_end() const { return position_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }

  void emit(TokenKind kind) {
    const std::string_view taken = text_.substr(start_, position_ - start_);
    tokens_.push_back({kind, start_, taken, line_});
    ignore();
  }
  void ignore() {
    line_ += static_cast<std::size_t>(std::ranges::count(text_.substr(start_, position_ - start_), '\n'));
    start_ = position_;
  }
  void fail(std::string problem) {
    tokens_.push_back({TokenKind::error, start_, {}, line_, std::move(problem)});
    done_ = true;
  }

  static bool trims_left(std::string_view text) { return text.size() >= 2 && text[0] == '-' && is_space(text[1]); }
  static bool trims_right(std::string_view text) { return text.size() >= 2 && is_space(text[0]) && text[1] == '-'; }
  void skip_spaces() {
    while (!at_end() && is_space(peek())) ++position_;
  }

  void outside() {
    const std::size_t found = text_.find(kLeft, position_);
    if (found == text_.npos) {
      position_ = text_.size();
      if (position_ > start_) emit(TokenKind::text);
      emit(TokenKind::end_of_text);
      done_ = true;
      return;
    }
    const bool trims = trims_left(text_.substr(found + kLeft.size()));
    position_ = found;
    while (trims && position_ > start_ && is_space(text_[position_ - 1])) --position_;
    if (position_ > start_) emit(TokenKind::text);
    position_ = found;
    ignore();
    position_ += kLeft.size();
    const std::size_t marker = trims ? 2 : 0;
    if (rest(marker).starts_with("/*")) {
      position_ += marker;
      return comment();
    }
    emit(TokenKind::left_delimiter);
    position_ += marker;
    ignore();
    parentheses_ = 0;
    in_action_ = true;
  }

  void comment() {
    ignore();
    const std::size_t end = text_.find("*/", position_ + 2);
    if (end == text_.npos) return fail("unclosed comment");
    position_ = end + 2;
    const bool trims = trims_right(rest()) && rest(2).starts_with(kRight);
    if (!trims && !rest().starts_with(kRight)) return fail("comment ends before closing delimiter");
    position_ += kRight.size() + (trims ? 2 : 0);
    if (trims) skip_spaces();
    ignore();
  }

  void right_delimiter() {
    const bool trims = trims_right(rest());
    if (trims) {
      position_ += 2;
      ignore();
    }
    position_ += kRight.size();
    emit(TokenKind::right_delimiter);
    if (trims) {
      skip_spaces();
      ignore();
    }
    in_action_ = false;
  }

  void inside_action() {
    if (rest().starts_with(kRight) || (trims_right(rest()) && rest(2).starts_with(kRight))) {
      return parentheses_ == 0 ? right_delimiter() : fail("unclosed left paren");
    }
    if (at_end()) return fail("unclosed action");
    const char c = peek();
    if (is_space(c)) return space();
    const bool is_number = c == '+' || c == '-' || (c >= '0' && c <= '9') ||
                           (c == '.' && rest().size() > 1 && rest()[1] >= '0' && rest()[1] <= '9');
    if (is_number) return number();
    if (c == '$' || c == '.') return field_or_variable(c == '.');
    if (c == '"' || c == '\'') return quoted(c);
    if (c == '`') return raw_quoted();
    if (is_word(c)) return identifier();
    return punctuation(c);
  }

  void punctuation(char c) {
    const std::string what = shown(rest());
    ++position_;
    switch (c) {
      case '=':
        return emit(TokenKind::assign);
      case '|':
        return emit(TokenKind::pipe);
      case ':':
        if (peek() != '=') return fail("expected :=");
        ++position_;
        return emit(TokenKind::declare);
      case '(':
        ++parentheses_;
        return emit(TokenKind::left_parenthesis);
      case ')':
        emit(TokenKind::right_parenthesis);
        if (--parentheses_ < 0) fail("unexpected right paren " + what);
        return;
      default:
        break;
    }
    if (c > ' ' && c < 0x7F) return emit(TokenKind::character);
    fail("unrecognized character in action: " + what);
  }

  /// A space may begin a right delimiter with its marker.
  void space() {
    while (!at_end() && is_space(peek())) {
      if (position_ > start_ && trims_right(rest()) && rest(2).starts_with(kRight)) break;
      ++position_;
    }
    emit(TokenKind::space);
  }

  bool at_terminator() const {
    return at_end() || is_space(peek()) || std::string_view(".,|:)(").find(peek()) != std::string_view::npos ||
           rest().starts_with(kRight);
  }
  void take_word() {
    while (!at_end() && is_word(peek())) ++position_;
  }

  void identifier() {
    take_word();
    if (!at_terminator()) return fail("bad character " + shown(rest()));
    static constexpr std::pair<std::string_view, TokenKind> keys[] = {{"block", TokenKind::key_block},
                                                                      {"break", TokenKind::key_break},
                                                                      {"continue", TokenKind::key_continue},
                                                                      {"define", TokenKind::key_define},
                                                                      {"else", TokenKind::key_else},
                                                                      {"end", TokenKind::key_end},
                                                                      {"if", TokenKind::key_if},
                                                                      {"nil", TokenKind::nil},
                                                                      {"range", TokenKind::key_range},
                                                                      {"template", TokenKind::key_template},
                                                                      {"with", TokenKind::key_with},
                                                                      {"true", TokenKind::boolean},
                                                                      {"false", TokenKind::boolean}};
    const std::string_view word = text_.substr(start_, position_ - start_);
    const auto key = std::ranges::find(keys, word, [](const auto& entry) { return entry.first; });
    emit(key == std::end(keys) ? TokenKind::identifier : key->second);
  }

  void field_or_variable(bool field) {
    ++position_;
    if (at_terminator()) return emit(field ? TokenKind::dot : TokenKind::variable);
    take_word();
    if (!at_terminator()) return fail("bad character " + shown(rest()));
    emit(field ? TokenKind::field : TokenKind::variable);
  }

  void quoted(char quote) {
    const bool string = quote == '"';
    for (++position_; peek() != quote || at_end(); ++position_) {
      if (peek() == '\\') ++position_;
      if (at_end() || peek() == '\n') {
        return fail(string ? "unterminated quoted string" : "unterminated character constant");
      }
    }
    ++position_;
    emit(string ? TokenKind::quoted : TokenKind::constant_character);
  }

  void raw_quoted() {
    const std::size_t end = text_.find('`', position_ + 1);
    if (end == text_.npos) return fail("unterminated raw quoted string");
    position_ = end + 1;
    emit(TokenKind::raw_quoted);
  }

  bool accept(std::string_view set) {
    const bool is = !at_end() && set.find(peek()) != set.npos;
    if (is) ++position_;
    return is;
  }
  void accept_run(std::string_view set) {
    while (accept(set)) {
    }
  }

  bool scan_number() {
    std::string_view digits = "0123456789_";
    accept("+-");
    bool hexadecimal = false;
    if (accept("0")) {
      if (accept("xX")) {
        digits = "0123456789abcdefABCDEF_";
        hexadecimal = true;
      } else if (accept("oO")) {
        digits = "01234567_";
      } else if (accept("bB")) {
        digits = "01_";
      }
    }
    accept_run(digits);
    if (accept(".")) accept_run(digits);
    if ((digits.size() == 11 && accept("eE")) || (hexadecimal && accept("pP"))) {
      accept("+-");
      accept_run("0123456789_");
    }
    accept("i");
    if (at_end() || !is_word(peek())) return true;
    ++position_;
    return false;
  }

  void number() {
    bool good = scan_number();
    const bool complex = good && (peek() == '+' || peek() == '-');
    if (complex) good = scan_number() && text_[position_ - 1] == 'i';
    if (!good) return fail("bad number syntax: " + go_quoted(text_.substr(start_, position_ - start_)));
    emit(complex ? TokenKind::complex : TokenKind::number);
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t start_ = 0, position_ = 0, line_ = 1;
  int parentheses_ = 0;
  bool in_action_ = false, done_ = false;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view text) { return Lexer(text).run(); }

}  // namespace sandbox::cli::templates
