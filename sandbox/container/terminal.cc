// The user's terminal, see terminal.h. Runs in the client.
#include "sandbox/container/terminal.h"

#include <sys/ioctl.h>

namespace sandbox::container {

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  termios mode{};
  if (::tcgetattr(fd, &mode) != 0) return;
  saved_ = mode;
  ::cfmakeraw(&mode);
  (void)::tcsetattr(fd, TCSADRAIN, &mode);
}

RawTerminal::~RawTerminal() {
  if (saved_) (void)::tcsetattr(fd_, TCSADRAIN, &*saved_);
}

std::optional<std::string> window_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  std::string payload;
  for (const unsigned value : {unsigned{size.ws_row}, unsigned{size.ws_col}}) {
    payload += static_cast<char>(value & 0xFF);
    payload += static_cast<char>(value >> 8);
  }
  return payload;
}

std::optional<std::string> DetachKeys::filter(std::string_view typed) {
  constexpr char ctrl_p = 0x10, ctrl_q = 0x11;
  std::string passed;
  for (const char key : typed) {
    if (held_ && key == ctrl_q) return std::nullopt;
    if (held_) passed += ctrl_p;
    held_ = key == ctrl_p;
    if (!held_) passed += key;
  }
  return passed;
}

}  // namespace sandbox::container
