#include "sandbox/cli/prompt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"

namespace sandbox::cli {
namespace {

constexpr std::size_t longest_line = 64U << 10;

/// No echo for its lifetime. A signal that would end the program waits until the terminal is as it was.
class HiddenInput {
 public:
  HiddenInput() {
    sigset_t deadly{};
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&deadly, number);
    ::sigprocmask(SIG_BLOCK, &deadly, &mask_);
    signals_ = Fd(::signalfd(-1, &deadly, SFD_CLOEXEC));
    if (::tcgetattr(STDIN_FILENO, &saved_) != 0) return;
    termios silent = saved_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ICANON | ISIG | ECHONL;
    changed_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &silent) == 0;
  }
  ~HiddenInput() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

  /// False: a signal has come.
  bool wait() const {
    pollfd items[] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    while (::poll(items, 2, -1) < 0 && errno == EINTR) continue;
    return items[1].revents == 0;
  }

 private:
  sigset_t mask_{};
  Fd signals_;
  termios saved_{};
  bool changed_ = false;
};

std::string read_line(const HiddenInput* hidden) {
  std::string line;
  for (char c = 0; line.size() < longest_line;) {
    if (hidden != nullptr && !hidden->wait()) break;
    const std::size_t count = sys::read(STDIN_FILENO, &c, 1) | or_throw("reading standard input");
    if (count == 0 && line.empty()) throw Error("standard input has ended");
    if (count == 0 || c == '\n') break;
    line += c;
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace

std::string ask(const std::string& question, bool hidden) {
  std::optional<HiddenInput> input;
  if (hidden) input.emplace();  // before the question: some answer at once
  print(question);
  return read_line(input ? &*input : nullptr);
}

}  // namespace sandbox::cli
