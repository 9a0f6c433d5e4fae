// .dockerignore: which paths of a context don't belong to it, with the rules of moby/patternmatcher. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/build/path_pattern.h"

namespace sandbox::build {

class IgnoreRules {
 public:
  IgnoreRules() = default;
  /// The text of a .dockerignore: a pattern per line, "!" before one that makes an exception, "#" before a comment.
  /// Throws InvalidInput naming the line.
  static IgnoreRules parse(std::string_view text);
  /// COPY --exclude. Throws InvalidInput.
  static IgnoreRules of(const std::vector<std::string>& patterns);

  /// `path`: relative, clean ("a/b"). The last rule that matches it, or a directory that it is in, decides.
  bool ignores(std::string_view path) const;
  /// Nothing below an ignored directory can be an exception.
  bool prunes() const { return !has_exceptions_; }
  bool empty() const { return rules_.empty(); }

 private:
  struct Rule {
    PathPattern pattern;
    bool exception = false;
  };
  void add(std::string_view pattern);

  std::vector<Rule> rules_;
  bool has_exceptions_ = false;
};

}  // namespace sandbox::build
