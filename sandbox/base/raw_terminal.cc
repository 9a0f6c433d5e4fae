#include "sandbox/base/raw_terminal.h"

namespace sandbox {

RawTerminal::RawTerminal(int fd, LineEnds ends) : fd_(fd) {
  termios mode{};
  if (::tcgetattr(fd, &mode) != 0) return;
  saved_ = mode;
  ::cfmakeraw(&mode);
  if (ends == LineEnds::completed) mode.c_oflag |= OPOST | ONLCR;
  (void)::tcsetattr(fd, TCSADRAIN, &mode);
}

RawTerminal::~RawTerminal() {
  if (saved_) (void)::tcsetattr(fd_, TCSADRAIN, &*saved_);
}

}  // namespace sandbox
