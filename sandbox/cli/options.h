// Command line options as data, and a parser with pflag's rules and Docker's wording. Our own
// parser: Docker's exact messages, nothing done at start-up, and one table for parsing and help.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/base/error.h"

namespace sandbox::cli {

struct Option {
  const char* name;
  char short_name;      ///< '\0': none.
  const char* metavar;  ///< nullptr: a boolean flag.
  const char* help;
};

/// A flag of Docker's that can't be had here, and why.
struct RefusedOption {
  const char* name;
  const char* reason;
};

/// A flag, or the value of one, is wrong: Docker ends with 125 then, whatever the command.
struct FlagError : UsageError { using UsageError::UsageError; };

/// Too few or too many arguments: Docker ends with 1 then, whatever the command, and shows how it is used.
struct CountError : UsageError { using UsageError::UsageError; };

class Arguments {
 public:
  std::vector<std::string> positional;
  bool help = false;

  void add(const Option& option, std::string value) { values_.emplace_back(&option, std::move(value)); }
  bool flag(std::string_view name) const;  ///< The last word given, false when none.
  std::optional<std::string> last(std::string_view name) const;
  std::string text(std::string_view name, std::string_view otherwise = {}) const;
  std::vector<std::string> all(std::string_view name) const;
  std::span<const std::pair<const Option*, std::string>> words() const { return values_; }  ///< Options as given.

 private:
  std::vector<std::pair<const Option*, std::string>> values_;
};

/// `interspersed`: flags are also taken after the first positional argument. Throws UsageError, and
/// Unsupported for one of `refused`.
Arguments parse_arguments(std::span<const Option> options, bool interspersed, std::span<char* const> words,
                          std::span<const RefusedOption> refused = {});

/// The "Options:" block of --help.
std::string render_options(std::span<const Option> options);

}  // namespace sandbox::cli
