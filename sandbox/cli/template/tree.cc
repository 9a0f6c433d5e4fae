// Nodes and positions as Go's errors name them: see tree.h.
#include "sandbox/cli/template/tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "sandbox/cli/format/text.h"

namespace sandbox::cli::templates {
namespace {

void write(const Node& node, std::string& text);

void write_word(const Node& node, std::string& text) {
  const bool enclosed = node.kind == NodeKind::pipe;
  if (enclosed) text += '(';
  write(node, text);
  if (enclosed) text += ')';
}

void write_pipe(const Node& pipe, std::string& text) {
  for (std::size_t i = 0; i < pipe.variables.size(); ++i) {
    if (i > 0) text += ", ";
    write(*pipe.variables[i], text);
  }
  if (!pipe.variables.empty()) text += pipe.assigns ? " = " : " := ";
  for (std::size_t i = 0; i < pipe.children.size(); ++i) {
    if (i > 0) text += " | ";
    write(*pipe.children[i], text);
  }
}

void write_names(const Node& node, std::string& text) {
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    if (i > 0 || node.kind != NodeKind::variable) text += '.';
    text += node.names[i];
  }
}

/// Of the nodes that errors name.
void write(const Node& node, std::string& text) {
  switch (node.kind) {
    case NodeKind::pipe:
      return write_pipe(node, text);
    case NodeKind::command:
      for (std::size_t i = 0; i < node.children.size(); ++i) {
        if (i > 0) text += ' ';
        write_word(*node.children[i], text);
      }
      return;
    case NodeKind::chain:
      write_word(*node.children[0], text);
      return write_names(node, text);
    case NodeKind::field:
    case NodeKind::variable:
      return write_names(node, text);
    case NodeKind::dot:
      text += '.';
      return;
    case NodeKind::nil:
      text += "nil";
      return;
    case NodeKind::action:
      text += "{{";
      write(*node.pipe, text);
      text += "}}";
      return;
    case NodeKind::call_template:
      text += fmt::format("{{{{template {}", go_quoted(node.text));
      if (node.pipe) write(*node.pipe, text += ' ');
      text += "}}";
      return;
    default:
      text += node.text;
      return;
  }
}

}  // namespace

std::string written(const Node& node) {
  std::string text;
  write(node, text);
  return text;
}

std::string location(const Tree& tree, std::size_t position) {
  const std::string_view before = std::string_view(tree.text).substr(0, position);
  const std::size_t newline = before.rfind('\n');
  return fmt::format("{}:{}:{}", tree.name, 1 + std::ranges::count(before, '\n'),
                     newline == before.npos ? position : position - newline - 1);
}

}  // namespace sandbox::cli::templates
