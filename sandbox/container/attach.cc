// The client side of a supervisor's connection: the user's streams, signals and terminal. One poll
// loop that blocks on nothing else, so a signal gets through however stuck the output is.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>

#include "sandbox/base/error.h"
#include "sandbox/base/raw_terminal.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/log_file.h"
#include "sandbox/container/protocol.h"
#include "sandbox/container/terminal.h"

namespace sandbox::container {
namespace {

constexpr std::size_t output_bound = 256U << 10;
constexpr int forwarded_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
constexpr std::size_t sure_write = 4096;  // PIPE_BUF: a pipe that polls writable takes it without blocking
constexpr std::size_t insistence = 3;  // so many signals to end, as with Docker's client,
constexpr auto insistence_time = std::chrono::seconds(3);  // within so long

/// Signals arrive by descriptor for its lifetime.
class SignalFd {
 public:
  explicit SignalFd(const std::vector<int>& signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals) ::sigaddset(&set, signal);
    ::sigprocmask(SIG_BLOCK, &set, &saved_);
    fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) throw SysError(Errno{errno}, "receiving signals");
  }
  ~SignalFd() { ::sigprocmask(SIG_SETMASK, &saved_, nullptr); }
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;
  int fd() const { return fd_.get(); }
  int next() const {  ///< 0: none.
    signalfd_siginfo info{};
    const auto size = sys::read(fd_.get(), &info, sizeof info);
    return size && *size == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  Fd fd_;
  sigset_t saved_{};
};

std::vector<int> wanted_signals(const AttachOptions& options) {
  std::vector<int> wanted{SIGPIPE};  // the error of the write says it, too
  if (options.terminal) {
    wanted.insert(wanted.end(), {SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT});
  } else if (options.forward_signals) {
    wanted.insert(wanted.end(), std::begin(forwarded_signals), std::end(forwarded_signals));
  }
  return wanted;
}

/// Whether somebody asks again and again for an end.
class Insistence {
 public:
  bool grows(int signal) {
    if (signal != SIGINT && signal != SIGTERM) return false;
    const auto now = std::chrono::steady_clock::now();
    times_.push_back(now);
    while (now - times_.front() > insistence_time) times_.pop_front();
    if (times_.size() < insistence) return false;
    times_.clear();
    return true;
  }

 private:
  std::deque<std::chrono::steady_clock::time_point> times_;
};

[[noreturn]] void supervisor_gone() { throw Error("the container's supervisor ended unexpectedly"); }

class Client {
 public:
  Client(Fd socket, const AttachOptions& options)
      : options_(options),
        socket_(std::move(socket)),
        signals_(wanted_signals(options)),
        detach_keys_(options.detach_keys) {}

  int run() {
    std::optional<RawTerminal> raw;
    if (options_.terminal && options_.forward_stdin) raw.emplace(STDIN_FILENO);
    reading_stdin_ = options_.forward_stdin;
    queue(FrameType::attach);
    if (options_.terminal) send_window_size();
    while (!result_ || !out_.empty() || !err_.empty()) step();
    raw.reset();
    if (detached_) ::fprintf(stderr, "read escape sequence\n");  // Docker's words
    return *result_;
  }

  bool is_unread() const { return unread_[0] || unread_[1]; }

 private:
  void queue(FrameType type, std::string_view payload = {}) {
    if (!peer_gone_) to_send_ += encode_frame(type, payload);
  }

  void send_window_size() {
    auto size = window_size(STDIN_FILENO);
    if (!size) size = window_size(STDOUT_FILENO);
    if (size) queue(FrameType::resize, *size);
  }

  void step() {
    const bool may_read = !result_ && out_.size() < output_bound && err_.size() < output_bound;
    const bool may_type = reading_stdin_ && !result_ && unacknowledged_ < stdin_window;
    const auto events = static_cast<short>((may_read ? POLLIN : 0) | (to_send_.empty() || result_ ? 0 : POLLOUT));
    pollfd items[] = {{events != 0 ? socket_.get() : -1, events, 0},
                      {may_type ? STDIN_FILENO : -1, POLLIN, 0},
                      {signals_.fd(), POLLIN, 0},
                      {out_.empty() ? -1 : STDOUT_FILENO, POLLOUT, 0},
                      {err_.empty() ? -1 : STDERR_FILENO, POLLOUT, 0}};
    if (::poll(items, std::size(items), -1) < 0) {
      if (errno == EINTR) return;
      throw SysError(Errno{errno}, "waiting for the container");
    }
    if (items[2].revents != 0) handle_signals();
    if (items[0].revents & POLLOUT) send_queued();
    if (may_read && items[0].revents & (POLLIN | POLLHUP | POLLERR)) receive();
    if (items[1].revents != 0) read_stdin();
    if (items[3].revents != 0) write_out(Stream::out, out_);
    if (items[4].revents != 0) write_out(Stream::err, err_);
  }

  void handle_signals() {
    while (const int signal = signals_.next()) {
      if (signal == SIGPIPE) continue;
      if (signal == SIGWINCH) {
        send_window_size();
      } else if (options_.terminal) {
        // The keyboard's signals reach the container as keys; this one was meant for us: detach.
        finish(128 + signal);
      } else if (insistence_.grows(signal)) {
        give_way();
      } else {
        queue(FrameType::signal, std::string(1, static_cast<char>(signal)));
      }
    }
  }

  /// To a user who has asked for the end more than once.
  void give_way() {
    ::fprintf(stderr, "\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n");  // Docker's words
    if (!options_.own_process) return finish(1);
    queue(FrameType::signal, std::string(1, static_cast<char>(SIGKILL)));
  }

  void send_queued() {
    const ssize_t count = ::send(socket_.get(), to_send_.data(), to_send_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      to_send_.erase(0, static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      peer_gone_ = true;  // what it has sent before is still to be read
      to_send_.clear();
    }
  }

  void receive() {
    char buffer[65536];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) supervisor_gone();
    frames_.feed({buffer, static_cast<std::size_t>(count)});
    while (!result_) {
      const auto frame = frames_.next();
      if (!frame) return;
      handle(*frame);
    }
  }

  void handle(const Frame& frame) {
    switch (frame.type) {
      case FrameType::stdout_data:
        if (options_.show_output && !unread_[0]) out_ += frame.payload;
        break;
      case FrameType::stderr_data:
        if (options_.show_errors && !unread_[1]) err_ += frame.payload;
        break;
      case FrameType::started:
        is_started_ = true;
        if (options_.started) options_.started(frame.payload);
        break;
      case FrameType::start_failure: throw decode_failure(frame.payload);
      case FrameType::exit_status:
        if (options_.awaits_start && !is_started_) throw Conflict("the container has just ended");
        finish(frame.payload.empty() ? 125 : static_cast<unsigned char>(frame.payload[0]));
        break;
      case FrameType::stdin_taken:
        unacknowledged_ -= std::min<std::size_t>(unacknowledged_, decode_u32(frame.payload));
        break;
      default: break;
    }
  }

  void read_stdin() {
    char buffer[32768];
    const auto count = sys::read(STDIN_FILENO, buffer, sizeof buffer);
    if (!count && count.error().value == EAGAIN) return;
    if (!count || *count == 0) {
      reading_stdin_ = false;
      queue(FrameType::stdin_eof);
      return;
    }
    std::string_view typed(buffer, *count);
    std::optional<std::string> filtered;
    if (options_.terminal) {
      filtered = detach_keys_.filter(typed);
      if (!filtered) {
        detached_ = true;
        return finish(0);
      }
      typed = *filtered;
    }
    if (typed.empty()) return;
    unacknowledged_ += typed.size();
    queue(FrameType::stdin_data, typed);
  }

  void write_out(Stream stream, std::string& pending) {
    const int fd = stream == Stream::out ? STDOUT_FILENO : STDERR_FILENO;
    const auto count = sys::write(fd, pending.data(), std::min(pending.size(), sure_write));
    if (!count && count.error().value == EAGAIN) return;
    if (!count && count.error().value == EPIPE) {
      pending.clear();
      return lose_reader(stream);
    }
    if (!count) throw SysError(count.error(), "writing the container's output");
    pending.erase(0, *count);
  }

  /// As `sandbox run … | head -1` does.
  void lose_reader(Stream stream) {
    unread_[static_cast<std::size_t>(stream)] = true;
    if (!options_.ends_unread) return finish(128 + SIGPIPE);
    queue(FrameType::output_unread, std::string(1, stream == Stream::err ? '\1' : '\0'));
  }

  void finish(int result) {
    if (!result_) result_ = result;
  }

  AttachOptions options_;
  Fd socket_;
  SignalFd signals_;
  FrameReader frames_;
  DetachKeys detach_keys_;
  std::string to_send_, out_, err_;
  std::size_t unacknowledged_ = 0;
  bool is_started_ = false;
  bool reading_stdin_ = false, peer_gone_ = false, detached_ = false;
  bool unread_[2] = {};  ///< Nobody reads our standard output or error any more.
  Insistence insistence_;
  std::optional<int> result_;
};

/// Reads frames, blocking, until `wanted` comes.
Frame wait_for(int socket, FrameType wanted) {
  FrameReader frames;
  char buffer[4096];
  for (;;) {
    const auto count = sys::read(socket, buffer, sizeof buffer);
    // A reset: it has gone without reading what we had sent.
    if (count ? *count == 0 : count.error().value == ECONNRESET) supervisor_gone();
    if (!count) throw SysError(count.error(), "waiting for the container");
    frames.feed({buffer, *count});
    while (const auto frame = frames.next()) {
      if (frame->type == wanted) return *frame;
      if (frame->type == FrameType::start_failure) throw decode_failure(frame->payload);
      // Before the start there is no container's output, but warnings.
      if (wanted == FrameType::started && frame->type == FrameType::stderr_data) {
        sys::write_all(STDERR_FILENO, frame->payload.data(), frame->payload.size()) | or_throw("writing a warning");
      }
    }
  }
}

}  // namespace

HeldSignals::HeldSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : forwarded_signals) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, &saved_);
}

HeldSignals::~HeldSignals() { ::sigprocmask(SIG_SETMASK, &saved_, nullptr); }

int attach(Fd supervisor, const AttachOptions& options) {
  bool unread = false;
  int status = 0;
  {
    Client client(std::move(supervisor), options);
    status = client.run();
    unread = client.is_unread();
  }
  if (!unread) return status;
  (void)::raise(SIGPIPE);   // what a program of a pipeline dies of
  return 128 + SIGPIPE;  // its caller has it ignored
}

std::string wait_started(Fd supervisor) { return wait_for(supervisor.get(), FrameType::started).payload; }

int wait_exit(Fd supervisor) {
  const Frame frame = wait_for(supervisor.get(), FrameType::exit_status);
  return frame.payload.empty() ? 125 : static_cast<unsigned char>(frame.payload[0]);
}

void request_exec(int supervisor, ExecRequest request, const std::vector<int>& passed) {
  request.passed = passed.size();
  send_frame(supervisor, FrameType::exec_request, encode_exec(request), passed);
}

void request_pause(int supervisor, Pause wish) {
  send_frame(supervisor, FrameType::pause, std::string(1, static_cast<char>(wish)));
  (void)wait_for(supervisor, FrameType::done);
}

void request_network(int supervisor, const std::string& network) {
  send_frame(supervisor, FrameType::network, network);
  (void)wait_for(supervisor, FrameType::done);
}

void request_signal(int supervisor, int signal) {
  send_frame(supervisor, FrameType::signal, std::string(1, static_cast<char>(signal)));
}

}  // namespace sandbox::container
