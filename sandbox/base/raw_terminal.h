// The user's own terminal while its keys go elsewhere.
#pragma once

#include <termios.h>

#include <optional>

namespace sandbox {

/// Of what is written to the terminal.
enum class LineEnds { as_written, completed };  ///< completed: "\n" becomes "\r\n".

/// Raw mode for its lifetime; does nothing when `fd` is no terminal.
class RawTerminal {
 public:
  explicit RawTerminal(int fd, LineEnds ends = LineEnds::as_written);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  std::optional<termios> saved_;
};

}  // namespace sandbox
