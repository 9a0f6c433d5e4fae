// The user's own terminal while attached: its size, and the keys that detach.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandbox::container {

/// Payload of a resize frame (rows, columns) from the terminal at `fd`; none when it is no terminal.
std::optional<std::string> window_size(int fd);

/// "ctrl-p,ctrl-q" or "a,ctrl-[" as the bytes that a terminal sends for these keys. Throws UsageError.
std::string parse_detach_keys(std::string_view words);

/// Finds a sequence of keys in typed input. The beginning of one is held back until the next key.
class DetachKeys {
 public:
  explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}
  /// What goes to the container; none: detach.
  std::optional<std::string> filter(std::string_view typed);

 private:
  std::string keys_;      ///< Empty: never detach.
  std::size_t held_ = 0;  ///< So many of them have been typed.
};

}  // namespace sandbox::container
