// Templates of Go's text/template as trees: text → tokens → tree. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json.h"

namespace sandbox::cli::templates {

enum class TokenKind {
  error,  ///< Its text says what is wrong; the last one then.
  end_of_text, text, left_delimiter, right_delimiter, space,
  assign, declare, pipe, left_parenthesis, right_parenthesis, character,
  boolean, constant_character, complex, dot, field, identifier, nil, number, quoted, raw_quoted, variable,
  key_block, key_break, key_continue, key_define, key_else, key_end, key_if, key_range, key_template, key_with
};

struct Token {
  TokenKind kind = TokenKind::end_of_text;
  std::size_t position = 0;  ///< In bytes.
  std::string_view text;
  std::size_t line = 1;
  std::string problem = {};  ///< Of an error.
};

/// Views into `text`. The last token is the end or an error.
std::vector<Token> tokens_of(std::string_view text);

enum class NodeKind {
  list, text, action, if_, range, with, call_template, break_, continue_,
  pipe, command, identifier, variable, field, chain, dot, nil, boolean, number, quoted
};

struct Node {
  NodeKind kind = NodeKind::list;
  std::size_t position = 0;
  std::string text;                              ///< Of text, identifiers, template names; what literals were written as.
  OrderedJson value;                             ///< Of literals.
  std::vector<std::string> names;                ///< Of variables ("$x" and its fields), fields and chains.
  std::vector<std::unique_ptr<Node>> children;   ///< Of lists, pipes (commands), commands (words), chains (one).
  std::vector<std::unique_ptr<Node>> variables;  ///< That a pipe declares or, with `assigns`, changes.
  bool assigns = false;
  std::unique_ptr<Node> pipe, body, otherwise;   ///< Of actions and control structures, where they have one.
};

/// As Go writes it in errors.
std::string written(const Node& node);

struct Tree {
  std::string name;  ///< As errors have it.
  std::string text;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> definitions;  ///< By name; "" or `name` is the outermost.
};

/// Throws InvalidInput in Go's words: "template: NAME:LINE: …". Trees are no deeper than max_depth.
Tree parsed(std::string name, std::string text);
inline constexpr std::size_t max_depth = 100;

/// "NAME:LINE:BYTE" of a position.
std::string location(const Tree& tree, std::size_t position);

/// Whether templates may call a function of this name.
bool is_function(std::string_view name);

/// The value of a Go literal. Returns what is wrong with it, in Go's words; empty: nothing.
std::string read_number(std::string_view text, OrderedJson& value);
std::string read_character(std::string_view literal, OrderedJson& value);

/// The text in a Go literal in double or back quotes; false when it is none.
bool unquote(std::string_view literal, std::string& text);

}  // namespace sandbox::cli::templates
