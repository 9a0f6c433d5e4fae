// The user's own terminal while attached: raw mode, size, detach keys.
#pragma once

#include <termios.h>

#include <optional>
#include <string>
#include <string_view>

namespace sandbox::container {

/// Raw mode for its lifetime; does nothing when `fd` is no terminal.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  std::optional<termios> saved_;
};

/// Payload of a resize frame (rows, columns) from the terminal at `fd`; none when it is no terminal.
std::optional<std::string> window_size(int fd);

/// Finds ctrl-p ctrl-q in typed input. A lone ctrl-p is held back until the next key.
class DetachKeys {
 public:
  /// What goes to the container; none: detach.
  std::optional<std::string> filter(std::string_view typed);

 private:
  bool held_ = false;
};

}  // namespace sandbox::container
