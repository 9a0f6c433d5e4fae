// Staying with a process until it ends: `run` and `exec` without --detach.
#pragma once

#include "sandbox/base/fd.h"

namespace sandbox::runtime {

/// Passes signals on to the process, and between our terminal and its own when `console` is given. Returns its exit
/// status, 128 + n for signal n. Construct it before the process starts, so that no signal is lost.
class Foreground {
 public:
  explicit Foreground(Fd console);
  int wait(int pidfd);

 private:
  void handle_signals(int pidfd);
  void copy_window_size();
  void relay(short input_events, short console_events);
  void drain();

  Fd signals_, console_;
  bool input_open_ = true;
};

}  // namespace sandbox::runtime
