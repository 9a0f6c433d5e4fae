// See step_worker.h.
#include "sandbox/engine/step_worker.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/base/error.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"

namespace sandbox::engine {
namespace {

constexpr std::size_t kMostAnswer = 64U << 20;

void watch(int events, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) throw SysError(Errno{errno}, "watching a build's step");
}

void free_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

StepWorker::StepWorker(const std::function<std::string()>& act, Output output) : show_(std::move(output)) {
  events_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!events_) throw SysError(Errno{errno}, "watching a build's step");
  sys::Pair out = sys::pipe() | or_throw("making a pipe");
  sys::Pair answer = sys::pipe() | or_throw("making a pipe");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw SysError(Errno{errno}, "starting a build's step");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    serve(act, std::move(out.second), std::move(answer.second));
  }
  output_ = std::move(out.first);
  answer_ = std::move(answer.first);
  for (const Fd* fd : {&output_, &answer_}) {
    (void)sys::set_nonblocking(fd->get(), true);
    watch(events_.get(), fd->get());
  }
}

StepWorker::~StepWorker() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

/// In the child.
void StepWorker::serve(const std::function<std::string()>& act, Fd output, Fd answer) {
  free_signals();
  ::dup2(output.get(), STDOUT_FILENO);
  ::dup2(output.get(), STDERR_FILENO);
  if (const auto nothing = sys::openat(AT_FDCWD, "/dev/null", O_RDONLY)) ::dup2(nothing->get(), STDIN_FILENO);
  output.reset();
  const std::string text = framed_answer(act);
  (void)sys::write_all(answer.get(), text.data(), text.size());
  ::_exit(0);
}

/// Shows what has been written. False when nothing more comes for now.
bool StepWorker::drain() {
  char buffer[65536];
  const auto count = sys::read(output_.get(), buffer, sizeof buffer);
  if (!count || *count == 0) return false;
  show_({buffer, *count});
  return true;
}

std::optional<std::string> StepWorker::advance() {
  char buffer[65536];
  for (bool more = true; more;) {
    while (drain()) {
    }
    const auto count = sys::read(answer_.get(), buffer, sizeof buffer);
    if (!count) {
      if (count.error().value == EAGAIN) {
        // The output's end would make the descriptor readable for ever; the answer follows.
        return {};
      }
      throw SysError(count.error(), "reading a step's answer");
    }
    more = *count > 0;
    text_.append(buffer, *count);
    if (text_.size() > kMostAnswer) throw Error("a step's answer is too long");
  }
  while (drain()) {
  }
  return take_answer();
}

std::string StepWorker::take_answer() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (text_.empty()) throw Error(fmt::format("the step's process was ended by signal {}", WTERMSIG(status)));
  return unframed_answer(text_);
}

}  // namespace sandbox::engine
