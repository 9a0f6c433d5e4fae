// Go's text/template with Docker's functions (docker/cli templates/templates.go), over JSON. Pure; safe with templates
// and documents of strangers: depth, work and memory are bounded.
//
// Left out of Go: complex numbers, values that are functions, and the case of letters beyond ASCII. A list of strings is
// a []string, which JSON does not tell from a []interface {}.
#pragma once

#include <span>
#include <string>

#include "sandbox/cli/template/tree.h"
#include "sandbox/cli/template/value.h"

namespace sandbox::cli::templates {

struct Options {
  /// Go's missingkey=error: a member that is not there is an error. Otherwise it is no value.
  bool missing_is_error = false;
  /// Not empty: documents are Docker's structures, where a null is a nil pointer, unless it is told here.
  std::span<const TypedMember> types = {};
  /// Docker's functions that change words leave them alone, so that a header stays one.
  bool header = false;
  /// What becomes of each value that is printed; nullptr: nothing.
  std::string (*shown)(std::string_view text) = nullptr;
};

class Template {
 public:
  /// Throws InvalidInput in Go's words: "template: NAME:1: …".
  explicit Template(std::string text, std::string name = {}) : tree_(parsed(std::move(name), std::move(text))) {}

  /// Throws InvalidInput in Go's words: "template: NAME:1:2: executing … at <…>: …".
  std::string execute(const Value& dot, const Options& options = {}) const;
  /// The same, appended as it is made: what came before an error stays.
  void execute_into(std::string& output, const Value& dot, const Options& options = {}) const;

 private:
  Tree tree_;
};

}  // namespace sandbox::cli::templates
