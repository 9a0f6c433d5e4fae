// COPY --chmod: "755", or symbolic as chmod(1) has it ("u=rwX,go=rX"). Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sandbox::build {

class ModeChange {
 public:
  /// Throws InvalidInput.
  explicit ModeChange(std::string_view text);
  /// `mode`: the lower twelve bits.
  std::uint32_t applied(std::uint32_t mode, bool directory) const;

 private:
  struct Clause {
    std::uint32_t who = 0;  ///< Of 0700, 070 and 07 what is meant.
    char op = '=';
    std::uint32_t bits = 0;  ///< rwx, repeated for all three.
    std::uint32_t special = 0;
    bool conditional_execute = false;
  };
  static Clause parse_clause(std::string_view text, std::string_view whole);
  std::vector<Clause> clauses_;
};

}  // namespace sandbox::build
