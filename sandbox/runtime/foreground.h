// Staying with a process until it ends: `run` and `exec` without --detach.
#pragma once

#include "sandbox/base/fd.h"

namespace sandbox::runtime {

/// Construct it before the process is made, so that no signal is lost.
class Foreground {
 public:
  Foreground();
  /// Passes signals on to the process, and between our terminal and its own when `console` is given. Returns its exit
  /// status, 128 + n for signal n.
  int wait(int pidfd, Fd console);

 private:
  void handle_signals(int pidfd);
  void copy_window_size();
  void relay(short input_events, short console_events);
  void drain();

  Fd signals_, console_;
  bool input_open_ = true;
};

}  // namespace sandbox::runtime
