#include "sandbox/base/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

/// /proc/<pid>/stat from field 3 on; empty when there is no such process.
std::string stat_from_state(int pid) {
  if (pid <= 0) return {};
  try {
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid));
    // The command in field 2 may hold spaces and parentheses: its end is the last one.
    const std::size_t end = stat.rfind(") ");
    return end == std::string::npos ? std::string() : stat.substr(end + 2);
  } catch (const SysError&) {
    return {};
  }
}

/// Field `number` of what stat_from_state() returned; 0 when it is not there.
std::uint64_t numeric_field(const std::string& stat, int number) {
  std::size_t position = 0;
  for (int field = 3; field < number && position != std::string::npos; ++field) position = stat.find(' ', position + 1);
  return position == std::string::npos ? 0 : std::strtoull(stat.c_str() + position, nullptr, 10);
}

/// PF_EXITING of the kernel's include/linux/sched.h, in field 9.
constexpr std::uint64_t kExiting = 0x4;

constexpr char kAnswer = 'A', kFailure = 'F';
constexpr std::size_t kLargestAnswer = 1U << 30;

}  // namespace

std::uint64_t process_start_time(int pid) {
  const std::string stat = stat_from_state(pid);
  if (stat.empty() || stat[0] == 'Z' || (numeric_field(stat, 9) & kExiting) != 0) return 0;
  return numeric_field(stat, 22);
}

const std::string& boot_id() {
  static const std::string id = [] {
    try {
      const std::string text = read_file("/proc/sys/kernel/random/boot_id");
      return text.substr(0, text.find('\n'));
    } catch (const SysError&) {
      return std::string();
    }
  }();
  return id;
}

bool is_process_stopped(int pid) {
  const std::string stat = stat_from_state(pid);
  return !stat.empty() && (stat[0] == 'T' || stat[0] == 't');
}

void kill_process(int pid, std::uint64_t start) {
  constexpr int moment = 1000;  // milliseconds
  if (start == 0) return;
  const auto process = sys::pidfd_open(pid);
  // The descriptor first, then the question who it is: now the number can't pass to another process.
  if (!process || process_start_time(pid) != start) return;
  (void)sys::pidfd_send_signal(process->get(), SIGKILL);
  pollfd ended{process->get(), POLLIN, 0};
  (void)::poll(&ended, 1, moment);
}

AskedChild::AskedChild(const std::function<std::string()>& act) {
  sys::Pair pipe = sys::pipe() | or_throw("making a pipe");
  sys::Cloned child = sys::clone3(0) | or_throw("starting a child");
  if (child.pid == 0) {
    pipe.first.reset();
    const std::string answer = framed_answer(act);
    ::_exit(sys::write_all(pipe.second.get(), answer.data(), answer.size()) ? 0 : 1);
  }
  answer_ = std::move(pipe.first);
  pidfd_ = std::move(child.pidfd);
}

AskedChild::~AskedChild() {
  if (!pidfd_) return;
  (void)sys::pidfd_send_signal(pidfd_.get(), SIGKILL);
  (void)sys::wait_pidfd(pidfd_.get());
}

std::string AskedChild::answer() {
  const std::string answer = read_to_end(answer_.get(), "the answer of a child process", kLargestAnswer);
  const Fd child = std::move(pidfd_);
  const int status = sys::wait_pidfd(child.get()) | or_throw("waiting for a child");
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) ::raise(SIGPIPE);  // nobody reads what is written for us
  if (status != 0 || answer.empty()) throw Error(fmt::format("a child ended with wait status {}", status));
  return unframed_answer(answer);
}

// A letter, and the answer or the error's message and hint with a NUL between them.
std::string framed_answer(const std::function<std::string()>& act) {
  try {
    return kAnswer + act();
  } catch (const Error& error) {
    return fmt::format("{}{}{}{}", kFailure, error.what(), '\0', error.hint());
  } catch (const std::exception& error) {
    return fmt::format("{}{}{}", kFailure, error.what(), '\0');
  }
}

std::string unframed_answer(const std::string& framed) {
  if (framed[0] == kAnswer) return framed.substr(1);
  const auto end = framed.find('\0');
  throw Error(framed.substr(1, end - 1), framed.substr(end + 1));
}

std::string ask_child(const std::function<std::string()>& act) { return AskedChild(act).answer(); }

}  // namespace sandbox
