// From tokens to a tree: the grammar and the messages of Go's text/template/parse/parse.go. Pure.
#include <fmt/format.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/tree.h"

namespace sandbox::cli::templates {
namespace {

using NodePtr = std::unique_ptr<Node>;

NodePtr make(NodeKind kind, const Token& token) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->position = token.position;
  return node;
}

std::vector<std::string> split_names(std::string_view dotted) {
  std::vector<std::string> names;
  for (std::size_t dot = 0; (dot = dotted.find('.')) != dotted.npos; dotted.remove_prefix(dot + 1)) {
    names.emplace_back(dotted.substr(0, dot));
  }
  names.emplace_back(dotted);
  return names;
}

/// Go's fmt of an item: what "unexpected …" names.
std::string named(const Token& token) {
  if (token.kind == TokenKind::end_of_text) return "EOF";
  if (token.kind == TokenKind::error) return token.problem;
  if (token.kind >= TokenKind::key_block || token.kind == TokenKind::nil || token.kind == TokenKind::dot) {
    return fmt::format("<{}>", token.text);
  }
  const std::string text(token.text.substr(0, 10));
  return token.text.size() > 10 ? go_quoted(text) + "..." : go_quoted(token.text);
}

class Parser {
 public:
  explicit Parser(Tree& tree) : tree_(tree), tokens_(tokens_of(tree.text)) {}

  void parse() {
    NodePtr root = make(NodeKind::list, peek());
    while (peek().kind != TokenKind::end_of_text) {
      if (peek().kind == TokenKind::left_delimiter) {
        const std::size_t here = next_;
        next();
        if (next_solid().kind == TokenKind::key_define) {
          definition();
          continue;
        }
        next_ = here;
      }
      Ending ending = Ending::none;
      NodePtr node = text_or_action(ending);
      if (ending != Ending::none) fail(fmt::format("unexpected {}", word_of(ending)));
      root->children.push_back(std::move(node));
    }
    define(tree_.name, std::move(root));
  }

 private:
  enum class Ending { none, end, else_ };
  static std::string_view word_of(Ending ending) { return ending == Ending::end ? "{{end}}" : "{{else}}"; }

  /// One more level for as long as it lives.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > max_depth) parser_.fail(fmt::format("nested deeper than {} levels", max_depth));
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  const Token& peek() const { return tokens_[std::min(next_, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = peek();
    ++next_;
    return token;
  }
  void back() { --next_; }
  const Token& next_solid() {
    while (peek().kind == TokenKind::space) ++next_;
    return next();
  }
  const Token& peek_solid() {
    while (peek().kind == TokenKind::space) ++next_;
    return peek();
  }

  [[noreturn]] void fail(std::string_view problem) const {
    const Token& token = tokens_[std::min(next_ == 0 ? 0 : next_ - 1, tokens_.size() - 1)];
    throw InvalidInput(fmt::format("template: {}:{}: {}", tree_.name, token.line, problem));
  }
  [[noreturn]] void unexpected(const Token& token, std::string_view context) const {
    if (token.kind != TokenKind::error) fail(fmt::format("unexpected {} in {}", named(token), context));
    std::string extra;
    if (action_line_ != 0 && action_line_ != token.line) {
      extra = fmt::format(" in action started at {}:{}", tree_.name, action_line_);
      if (token.problem.ends_with(" action")) extra.erase(0, sizeof " in action" - 1);
    }
    fail(token.problem + extra);
  }
  const Token& expect(TokenKind kind, std::string_view context) {
    const Token& token = next_solid();
    if (token.kind != kind) unexpected(token, context);
    return token;
  }

  /// Of definitions of one name those that are empty count for nothing.
  void define(const std::string& name, NodePtr root) {
    const auto is_empty = [](const NodePtr& node) {
      return !node || std::ranges::all_of(node->children, [](const NodePtr& child) {
        return child->kind == NodeKind::text && child->text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
      });
    };
    NodePtr& known = tree_.definitions[name];
    if (is_empty(known))
      known = std::move(root);
    else if (!is_empty(root))
      fail(fmt::format("template: multiple definition of template {}", go_quoted(name)));
  }

  std::string template_name(const Token& token, std::string_view context) {
    std::string name;
    if (token.kind != TokenKind::quoted && token.kind != TokenKind::raw_quoted) unexpected(token, context);
    if (!unquote(token.text, name)) fail("invalid syntax");
    return name;
  }

  void definition() {
    constexpr std::string_view context = "define clause";
    const std::string name = template_name(next_solid(), context);
    expect(TokenKind::right_delimiter, context);
    define(name, enclosed(context));
  }

  /// A list in a template of its own, which sees no variables from here.
  NodePtr enclosed(std::string_view context) {
    std::vector<std::string> outer = {"$"};
    std::swap(outer, variables_);
    const std::size_t ranges = std::exchange(ranges_, 0);
    Ending ending = Ending::none;
    NodePtr list = item_list(ending);
    if (ending != Ending::end) fail(fmt::format("unexpected {} in {}", word_of(ending), context));
    variables_ = std::move(outer);
    ranges_ = ranges;
    return list;
  }

  NodePtr item_list(Ending& ending) {
    const Level level(*this);
    NodePtr list = make(NodeKind::list, peek_solid());
    while (peek_solid().kind != TokenKind::end_of_text) {
      NodePtr node = text_or_action(ending);
      if (ending != Ending::none) return list;
      list->children.push_back(std::move(node));
    }
    next();
    fail("unexpected EOF");
  }

  /// nullptr for the end of a list.
  NodePtr text_or_action(Ending& ending) {
    const Token& token = next_solid();
    if (token.kind == TokenKind::text) {
      NodePtr node = make(NodeKind::text, token);
      node->text = token.text;
      return node;
    }
    if (token.kind != TokenKind::left_delimiter) unexpected(token, "input");
    action_line_ = token.line;
    NodePtr node = action(ending);
    action_line_ = 0;
    return node;
  }

  NodePtr action(Ending& ending) {
    const Token& token = next_solid();
    switch (token.kind) {
      case TokenKind::key_block:
        return block();
      case TokenKind::key_break:
        return leave(token, NodeKind::break_, "{{break}}");
      case TokenKind::key_continue:
        return leave(token, NodeKind::continue_, "{{continue}}");
      case TokenKind::key_else:
        return else_clause(ending);
      case TokenKind::key_end:
        expect(TokenKind::right_delimiter, "end");
        ending = Ending::end;
        return nullptr;
      case TokenKind::key_if:
        return control(token, NodeKind::if_, "if");
      case TokenKind::key_range:
        return control(token, NodeKind::range, "range");
      case TokenKind::key_template:
        return call_template();
      case TokenKind::key_with:
        return control(token, NodeKind::with, "with");
      default:
        break;
    }
    back();
    NodePtr node = make(NodeKind::action, peek());
    node->pipe = pipeline("command", TokenKind::right_delimiter);
    return node;
  }

  NodePtr leave(const Token& token, NodeKind kind, std::string_view word) {
    if (const Token& after = next_solid(); after.kind != TokenKind::right_delimiter) unexpected(after, word);
    if (ranges_ == 0) fail(fmt::format("{} outside {{{{range}}}}", word));
    return make(kind, token);
  }

  NodePtr else_clause(Ending& ending) {
    ending = Ending::else_;
    // "else if" and "else with" leave their word for control().
    const TokenKind after = peek_solid().kind;
    if (after != TokenKind::key_if && after != TokenKind::key_with) expect(TokenKind::right_delimiter, "else");
    return nullptr;
  }

  NodePtr control(const Token& token, NodeKind kind, std::string_view context) {
    const Level level(*this);
    const std::size_t known = variables_.size();
    NodePtr node = make(kind, token);
    node->pipe = pipeline(context, TokenKind::right_delimiter);
    node->position = node->pipe->position;
    const std::size_t inside = kind == NodeKind::range ? 1 : 0;
    ranges_ += inside;
    Ending ending = Ending::none;
    node->body = item_list(ending);
    ranges_ -= inside;
    if (ending == Ending::else_) node->otherwise = other_branch(kind);
    variables_.resize(known);
    return node;
  }

  NodePtr other_branch(NodeKind kind) {
    const Token& word = peek();
    const bool chained = (kind == NodeKind::if_ && word.kind == TokenKind::key_if) ||
                         (kind == NodeKind::with && word.kind == TokenKind::key_with);
    if (chained) {  // one {{end}} ends both
      next();
      NodePtr list = make(NodeKind::list, word);
      list->children.push_back(control(word, kind, kind == NodeKind::if_ ? "if" : "with"));
      return list;
    }
    Ending ending = Ending::none;
    NodePtr list = item_list(ending);
    if (ending != Ending::end) fail(fmt::format("expected end; found {}", word_of(ending)));
    return list;
  }

  NodePtr block() {
    constexpr std::string_view context = "block clause";
    const Token& token = next_solid();
    NodePtr node = make(NodeKind::call_template, token);
    node->text = template_name(token, context);
    node->pipe = pipeline(context, TokenKind::right_delimiter);
    define(node->text, enclosed(context));
    return node;
  }

  NodePtr call_template() {
    constexpr std::string_view context = "template clause";
    const Token& token = next_solid();
    NodePtr node = make(NodeKind::call_template, token);
    node->text = template_name(token, context);
    if (next_solid().kind != TokenKind::right_delimiter) {
      back();
      node->pipe = pipeline(context, TokenKind::right_delimiter);
    }
    return node;
  }

  NodePtr variable(const Token& token) {
    NodePtr node = make(NodeKind::variable, token);
    node->names = split_names(token.text);
    return node;
  }

  /// "$x :=", "$x =", "$i, $x :=" at the beginning of a pipeline.
  void declarations(Node& pipe, std::string_view context) {
    while (peek_solid().kind == TokenKind::variable) {
      const Token& token = next();
      const std::size_t after = next_;
      const Token& sign = peek_solid();
      const bool comma = sign.kind == TokenKind::character && sign.text == ",";
      if (sign.kind != TokenKind::assign && sign.kind != TokenKind::declare && !comma) {
        next_ = after - 1;  // no declaration: an ordinary word
        return;
      }
      next();
      pipe.variables.push_back(variable(token));
      variables_.emplace_back(token.text);
      if (!comma) {
        pipe.assigns = sign.kind == TokenKind::assign;
        return;
      }
      if (context != "range" || pipe.variables.size() >= 2) fail(fmt::format("too many declarations in {}", context));
      const TokenKind follows = peek_solid().kind;
      if (follows != TokenKind::variable && follows != TokenKind::right_delimiter &&
          follows != TokenKind::right_parenthesis) {
        fail("range can only initialize variables");
      }
    }
  }

  NodePtr pipeline(std::string_view context, TokenKind end) {
    const Level level(*this);
    NodePtr pipe = make(NodeKind::pipe, peek_solid());
    declarations(*pipe, context);
    for (;;) {
      const Token& token = next_solid();
      if (token.kind == end) break;
      if (token.kind < TokenKind::boolean && token.kind != TokenKind::left_parenthesis) unexpected(token, context);
      if (token.kind > TokenKind::variable) unexpected(token, context);
      back();
      pipe->children.push_back(command());
    }
    check_pipeline(*pipe, context);
    return pipe;
  }

  void check_pipeline(const Node& pipe, std::string_view context) const {
    if (pipe.children.empty()) fail(fmt::format("missing value for {}", context));
    for (std::size_t i = 1; i < pipe.children.size(); ++i) {
      switch (pipe.children[i]->children[0]->kind) {
        case NodeKind::boolean:
        case NodeKind::dot:
        case NodeKind::nil:
        case NodeKind::number:
        case NodeKind::quoted:
          fail(fmt::format("non executable command in pipeline stage {}", i + 1));
        default:
          break;
      }
    }
  }

  NodePtr command() {
    NodePtr node = make(NodeKind::command, peek_solid());
    for (;;) {
      peek_solid();
      if (NodePtr word = operand()) node->children.push_back(std::move(word));
      const Token& token = next();
      if (token.kind == TokenKind::space) continue;
      if (token.kind == TokenKind::right_delimiter || token.kind == TokenKind::right_parenthesis)
        back();
      else if (token.kind != TokenKind::pipe)
        unexpected(token, "operand");
      break;
    }
    if (node->children.empty()) fail("empty command");
    return node;
  }

  /// A term with the fields that follow it; nullptr when the next token begins none.
  NodePtr operand() {
    NodePtr node = term();
    if (!node || peek().kind != TokenKind::field) return node;
    const std::size_t position = peek().position;
    std::vector<std::string> fields;
    while (peek().kind == TokenKind::field) fields.emplace_back(next().text.substr(1));
    switch (node->kind) {
      case NodeKind::field:
      case NodeKind::variable:
        node->position = position;
        node->names.insert(node->names.end(), fields.begin(), fields.end());
        return node;
      case NodeKind::boolean:
      case NodeKind::quoted:
      case NodeKind::number:
      case NodeKind::nil:
      case NodeKind::dot:
        fail(fmt::format("unexpected . after term {}", go_quoted(written(*node))));
      default:
        break;
    }
    auto chain = std::make_unique<Node>();
    chain->kind = NodeKind::chain;
    chain->position = position;
    chain->names = std::move(fields);
    chain->children.push_back(std::move(node));
    return chain;
  }

  NodePtr term() {
    const Token& token = next_solid();
    switch (token.kind) {
      case TokenKind::identifier: {
        if (!is_function(token.text)) fail(fmt::format("function {} not defined", go_quoted(token.text)));
        NodePtr node = make(NodeKind::identifier, token);
        node->text = token.text;
        return node;
      }
      case TokenKind::dot:
        return make(NodeKind::dot, token);
      case TokenKind::nil:
        return make(NodeKind::nil, token);
      case TokenKind::variable: {
        NodePtr node = variable(token);
        if (std::ranges::find(variables_, node->names[0]) == variables_.end())
          fail(fmt::format("undefined variable {}", go_quoted(node->names[0])));
        return node;
      }
      case TokenKind::field: {
        NodePtr node = make(NodeKind::field, token);
        node->names = split_names(token.text.substr(1));
        return node;
      }
      case TokenKind::left_parenthesis:
        return pipeline("parenthesized pipeline", TokenKind::right_parenthesis);
      default:
        return literal(token);
    }
  }

  NodePtr literal(const Token& token) {
    NodePtr node = make(NodeKind::number, token);
    node->text = token.text;
    switch (token.kind) {
      case TokenKind::boolean:
        node->kind = NodeKind::boolean;
        node->value = token.text == "true";
        return node;
      case TokenKind::constant_character:
        check(read_character(token.text, node->value));
        return node;
      case TokenKind::complex:
        fail(fmt::format("complex numbers are not known here: {}", token.text));
      case TokenKind::number:
        check(read_number(token.text, node->value));
        return node;
      case TokenKind::quoted:
      case TokenKind::raw_quoted: {
        std::string text;
        if (!unquote(token.text, text)) fail("invalid syntax");
        node->kind = NodeKind::quoted;
        node->value = std::move(text);
        return node;
      }
      default:
        break;
    }
    back();
    return nullptr;
  }

  /// `problem`: what a literal's reader has found wrong; empty: nothing.
  void check(const std::string& problem) const {
    if (!problem.empty()) fail(problem);
  }

  Tree& tree_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0, depth_ = 0, action_line_ = 0, ranges_ = 0;
  std::vector<std::string> variables_ = {"$"};
};

}  // namespace

Tree parsed(std::string name, std::string text) {
  Tree tree{std::move(name), std::move(text), {}};
  Parser(tree).parse();
  return tree;
}

}  // namespace sandbox::cli::templates
