// Streams of one process of the container, see process_streams.h. Runs in the supervisor.
#include "sandbox/container/process_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {
namespace {

constexpr auto drain_time = std::chrono::milliseconds(200);
constexpr auto console_retry = std::chrono::milliseconds(100);

sys::Pair make_pipe(bool read_end_is_ours) {
  sys::Pair pipe = sys::pipe() | or_throw("making a pipe for the container");
  const Fd& ours = read_end_is_ours ? pipe.first : pipe.second;
  sys::set_nonblocking(ours.get(), true) | or_throw("preparing a pipe for the container");
  // A process of another user in the container may open /dev/stdout anew.
  sys::fchmod(ours.get(), 0666) | or_throw("preparing a pipe for the container");
  return pipe;
}

}  // namespace

Stdio make_stdio(bool open_stdin) {
  Stdio stdio;
  if (open_stdin) {
    auto pipe = make_pipe(false);
    stdio.child_in = std::move(pipe.first);
    stdio.in = std::move(pipe.second);
  } else {
    stdio.child_in = sys::openat(AT_FDCWD, "/dev/null", O_RDONLY) | or_throw("opening /dev/null");
  }
  auto out = make_pipe(true);
  auto err = make_pipe(true);
  stdio.out = std::move(out.first);
  stdio.child_out = std::move(out.second);
  stdio.err = std::move(err.first);
  stdio.child_err = std::move(err.second);
  return stdio;
}

userns::StdioFds Stdio::child() const {
  userns::StdioFds fds{child_in.get(), child_out.get(), child_err.get()};
  for (const Fd& one : passed) fds.passed.push_back(one.get());
  return fds;
}

Process::Process(userns::Launched launched, Stdio stdio)
    : launched_(std::move(launched)),
      in_(std::move(stdio.in)),
      out_(std::move(stdio.out)),
      err_(std::move(stdio.err)),
      console_(launched_.take_console()) {
  if (!console_) return;
  sys::set_nonblocking(console_.get(), true) | or_throw("preparing the container's terminal");
  in_.reset();
  out_.reset();
  err_.reset();
}

void Process::read(Stream stream, const std::function<void(std::string_view)>& sink) {
  Fd& fd = stream == Stream::err ? err_ : console_ ? console_ : out_;
  char buffer[65536];
  const auto count = sys::read(fd.get(), buffer, sizeof buffer);
  if (count && *count > 0) return sink({buffer, *count});
  if (!count && count.error().value == EAGAIN) return;
  if (!count && count.error().value == EIO && console_ && !exited_) {
    retry_ = Clock::now() + console_retry;  // nobody has the terminal open just now
    return;
  }
  fd.reset();
}

void Process::acknowledge(const Input& input, std::size_t size) {
  if (const auto from = input.from.lock()) from->queue(FrameType::stdin_taken, encode_u32(static_cast<std::uint32_t>(size)));
}

void Process::drop_input() {
  for (const auto& input : pending_) acknowledge(input, input.data.size());
  pending_.clear();
  pending_bytes_ = 0;
}

void Process::queue_input(std::string data, const std::shared_ptr<Connection>& from) {
  if (data.empty()) return;
  pending_bytes_ += data.size();
  pending_.push_back({std::move(data), from});
  if (input() < 0 || input_ended_) drop_input();
}

void Process::end_input() {
  if (console_) return queue_input("\x04", nullptr);  // ctrl-d: the terminal's own end of input
  input_ended_ = true;
  if (pending_.empty()) in_.reset();
}

void Process::write_input() {
  while (!pending_.empty()) {
    Input& first = pending_.front();
    const auto count = sys::write(input(), first.data.data(), first.data.size());
    if (!count && count.error().value == EAGAIN) return;
    if (!count) {  // the process has closed its input
      drop_input();
      in_.reset();
      return;
    }
    acknowledge(first, *count);
    pending_bytes_ -= *count;
    first.data.erase(0, *count);
    if (first.data.empty()) pending_.pop_front();
  }
  if (input_ended_) in_.reset();
}

void Process::resize(unsigned short rows, unsigned short columns) {
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  if (console_) (void)::ioctl(console_.get(), TIOCSWINSZ, &size);
}

void Process::signal(int number) {
  if (!exited_) (void)sys::pidfd_send_signal(launched_.pidfd(), number);  // it may be gone by now
}

void Process::set_exited(int wait_status) {
  exited_ = true;
  exit_code_ = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
  drain_deadline_ = Clock::now() + drain_time;
  retry_ = {};
  drop_input();
  in_.reset();
}

bool Process::has_ended() const {
  if (exited_) return true;
  // An ending process lets go of its namespaces before anybody is told of its end (do_exit() in kernel/exit.c).
  const auto joined = sys::fstatat(AT_FDCWD, fmt::format("/proc/{}/ns/mnt", launched_.pid()).c_str(), 0);
  return !joined && joined.error().value == ENOENT;
}

bool Process::finished(Clock::time_point now) const {
  return exited_ && ((out() < 0 && err() < 0) || now >= drain_deadline_);
}

}  // namespace sandbox::container
