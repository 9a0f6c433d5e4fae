#include "sandbox/runtime/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "sandbox/base/raw_terminal.h"
#include "sandbox/base/sys.h"

namespace sandbox::runtime {
namespace {

Fd take_signals() {
  sigset_t set;
  ::sigfillset(&set);
  for (const int own :
       {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE, SIGTTIN, SIGTTOU, SIGTSTP}) {
    ::sigdelset(&set, own);
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw SysError(Errno{errno}, "receiving signals");
  return fd;
}

/// Copies what is there; false at the end of the stream.
bool copy_some(int from, int to) {
  char buffer[16384];
  const auto count = sys::read(from, buffer, sizeof buffer);
  if (!count) return count.error().value == EAGAIN;
  return *count > 0 && sys::write_all(to, buffer, *count).has_value();
}

}  // namespace

Foreground::Foreground() : signals_(take_signals()) {}

void Foreground::copy_window_size() {
  winsize size{};
  if (console_ && ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) (void)::ioctl(console_.get(), TIOCSWINSZ, &size);
}

void Foreground::handle_signals(int pidfd) {
  signalfd_siginfo info{};
  for (;;) {
    const auto size = sys::read(signals_.get(), &info, sizeof info);
    if (!size || *size != sizeof info) return;
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGWINCH) {
      copy_window_size();
    } else if (number != SIGCHLD) {
      (void)sys::pidfd_send_signal(pidfd, number);  // it may have ended meanwhile
    }
  }
}

void Foreground::relay(short input_events, short console_events) {
  if (input_events != 0 && !copy_some(STDIN_FILENO, console_.get())) input_open_ = false;
  // EIO: every process has closed the terminal (pty(7)).
  if (console_events != 0 && !copy_some(console_.get(), STDOUT_FILENO)) console_.reset();
}

/// What the process wrote last is still in the terminal.
void Foreground::drain() {
  pollfd item{console_.get(), POLLIN, 0};
  while (console_ && ::poll(&item, 1, 0) > 0 && (item.revents & POLLIN) != 0) {
    if (!copy_some(console_.get(), STDOUT_FILENO)) return;
  }
}

int Foreground::wait(int pidfd, Fd console) {
  console_ = std::move(console);
  std::optional<RawTerminal> raw;
  if (console_) raw.emplace(STDIN_FILENO, LineEnds::completed);
  copy_window_size();
  for (;;) {
    pollfd items[] = {{pidfd, POLLIN, 0},
                      {signals_.get(), POLLIN, 0},
                      {console_ ? console_.get() : -1, POLLIN, 0},
                      {console_ && input_open_ ? STDIN_FILENO : -1, POLLIN, 0}};
    if (::poll(items, std::size(items), -1) < 0 && errno != EINTR)
      throw SysError(Errno{errno}, "waiting for the container");
    if (items[1].revents != 0) handle_signals(pidfd);
    relay(items[3].revents, items[2].revents);
    if (items[0].revents != 0) break;
  }
  drain();
  const int status = sys::wait_pidfd(pidfd) | or_throw("waiting for the container");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace sandbox::runtime
