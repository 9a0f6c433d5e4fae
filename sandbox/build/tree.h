// A Dockerfile's text as a list of instructions: directives read, comments gone, continued lines joined, here-documents
// taken off. What the words of an instruction mean is instruction.h's. Pure; the text is a stranger's.
//
// The rules are those of BuildKit's parser (frontend/dockerfile/parser): a line continues when it ends with the escape
// character and blanks; comment lines and empty ones between continued lines are left out.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/build/diagnostic.h"

namespace sandbox::build {

inline constexpr std::size_t max_dockerfile = 1U << 20;

/// `<<EOF` … EOF
struct Heredoc {
  std::string name;
  std::string content;  ///< Ends with a newline unless empty; with `strip_tabs` each line without leading tabs.
  bool expand = true;   ///< The name was not quoted.
  bool strip_tabs = false;
  bool operator==(const Heredoc&) const = default;
};

/// A text that was cut out of the Dockerfile, and where its parts stood.
class SourceText {
 public:
  void append(std::string_view part, Place at);
  const std::string& text() const { return text_; }
  Place at(std::size_t offset) const;
  /// From `offset` on.
  SourceText from(std::size_t offset) const;

 private:
  struct Part {
    std::size_t offset = 0;
    Place place;
  };
  std::string text_;
  std::vector<Part> parts_;
};

struct Node {
  std::string keyword;  ///< In capitals.
  std::string written;  ///< The keyword as it is written.
  SourceText rest;      ///< Behind the keyword, without blanks on either side.
  Place place;          ///< Of the keyword.
  std::size_t last_line = 0;
  std::vector<Heredoc> heredocs;
  std::vector<std::string> comments;  ///< Those right above it, without "#" and blanks.
  bool empty_continuation = false;    ///< An empty line is among those that continue it.
};

struct Tree {
  char escape = '\\';
  std::string syntax, check;  ///< Values of the directives.
  std::vector<Node> nodes;
};

/// Throws Mistake.
Tree parse_tree(std::string_view text);

}  // namespace sandbox::build
