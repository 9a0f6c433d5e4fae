// `--filter name=value`, as listings take it. Pure.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/cli/options.h"

namespace sandbox::cli {

class Filters {
 public:
  /// The words of `--filter`; `known` are the names that the listing has. Throws FlagError for a word without a value,
  /// UsageError for another name.
  Filters(const Arguments& arguments, std::span<const std::string_view> known);

  bool empty() const { return values_.empty(); }
  bool has(std::string_view name) const { return values_.contains(name); }
  std::span<const std::string> values(std::string_view name) const;  ///< None: the filter is not there.

  /// No filter of this name, or one of its values for which `fits` holds.
  template <class Fits>
  bool any(std::string_view name, const Fits& fits) const {
    const auto wanted = values(name);
    for (const auto& value : wanted) {
      if (fits(value)) return true;
    }
    return wanted.empty();
  }
  /// "label": each is there, "name" with any value or "name=value".
  bool labels_fit(const std::map<std::string, std::string>& labels) const;
  /// "label!": not all are there.
  bool labels_differ(const std::map<std::string, std::string>& labels) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

/// Whether an extended regular expression (regex(7)) is found in `text`. Throws UsageError for one that is none.
bool is_found(const std::string& pattern, const std::string& text);

}  // namespace sandbox::cli
