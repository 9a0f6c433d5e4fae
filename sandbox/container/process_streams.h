// A process of the container (pid 1 or an `exec`) as its supervisor sees it: its descriptors, its
// pending input and its end.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/container/connection.h"
#include "sandbox/container/log_file.h"
#include "userns/launch.h"

namespace sandbox::container {

using Clock = std::chrono::steady_clock;

/// Both ends of the standard streams of a process to be launched.
struct Stdio {
  Fd child_in, child_out, child_err;
  std::vector<Fd> passed;  ///< The child's 3, 4, …
  Fd in, out, err;
  userns::StdioFds child() const;
};
/// Pipes; without `open_stdin` the input is /dev/null. Our ends don't block.
Stdio make_stdio(bool open_stdin);

class Process {
 public:
  /// Takes our ends of `stdio` (and the console when there is one); the child's ends are closed.
  Process(userns::Launched launched, Stdio stdio);

  userns::Launched& launched() { return launched_; }
  pid_t pid() const { return launched_.pid(); }

  /// Output is to be read from these; -1: ended. A console speaks as `out`.
  int out() const { return console_ ? console_.get() : out_.get(); }
  int err() const { return err_.get(); }
  /// After a console was hung up by a process that lives on, it is looked at again only after a while.
  bool readable_now(Clock::time_point now) const { return now >= retry_; }
  /// Reads once and hands the bytes to `sink`; closes the stream at its end.
  void read(Stream stream, const std::function<void(std::string_view)>& sink);

  /// What it writes next fails: of a terminal, all that it does there.
  void close_output(Stream stream) { (console_ ? console_ : stream == Stream::out ? out_ : err_).reset(); }

  int input() const { return console_ ? console_.get() : in_.get(); }
  bool has_input() const { return !pending_.empty(); }
  std::size_t pending_input() const { return pending_bytes_; }
  /// `from` is told with stdin_taken when the bytes have reached the process.
  void queue_input(std::string data, const std::shared_ptr<Connection>& from);
  void end_input();
  void write_input();

  void resize(unsigned short rows, unsigned short columns);
  void signal(int number);

  void set_exited(int wait_status);
  bool exited() const { return exited_; }
  /// It has, or is so near its end that nobody can join its namespaces; set_exited() may be to come.
  bool has_ended() const;
  int exit_code() const { return exit_code_; }
  /// Exited, and its output read to the end or for as long as anybody else may hold it open.
  bool finished(Clock::time_point now) const;
  Clock::time_point drain_deadline() const { return drain_deadline_; }

 private:
  struct Input {
    std::string data;
    std::weak_ptr<Connection> from;
  };
  static void acknowledge(const Input& input, std::size_t size);
  void drop_input();

  userns::Launched launched_;
  Fd in_, out_, err_, console_;
  std::deque<Input> pending_;
  std::size_t pending_bytes_ = 0;
  bool input_ended_ = false;
  bool exited_ = false;
  int exit_code_ = 0;
  Clock::time_point drain_deadline_{}, retry_{};
};

}  // namespace sandbox::container
