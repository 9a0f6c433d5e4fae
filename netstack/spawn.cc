// Starts the network helper from the container's supervisor. Between fork and exec only
// async-signal-safe calls run. The helper is a child of the caller: after the lifetime descriptor
// has closed it ends by itself, and the caller, who waits for any child (a subreaper), reaps it.
// Every copy of the lifetime descriptor keeps the helper alive, also one in a forked child.
#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

Fd memory_file(const std::string& content) {
  Fd file(::memfd_create("netstack-config", MFD_CLOEXEC));
  if (!file) throw SysError(Errno{errno}, "making a memory file for the network configuration");
  sys::write_all(file.get(), content.data(), content.size()) | or_throw("writing the network configuration");
  if (::lseek(file.get(), 0, SEEK_SET) < 0) throw SysError(Errno{errno}, "rewinding the network configuration");
  return file;
}

/// Everything that the child needs, made before the fork.
struct Plan {
  std::array<int, 4> fds;  // config, tap, ready, lifetime
  std::array<std::string, 4> numbers;
  std::string library_path;
  Fd null;

  explicit Plan(const std::array<int, 4>& descriptors) : fds(descriptors) {
    for (std::size_t i = 0; i < fds.size(); ++i) numbers[i] = std::to_string(fds[i]);
    if (const char* path = ::getenv("LD_LIBRARY_PATH")) library_path = std::string("LD_LIBRARY_PATH=") + path;
    null = sys::openat(AT_FDCWD, "/dev/null", O_RDWR) | or_throw("opening '/dev/null'");
  }
};

[[noreturn]] void become_helper(const Plan& plan) noexcept {
  char* const arguments[] = {const_cast<char*>("sbx:netstack"),
                             const_cast<char*>("helper"),
                             const_cast<char*>("netstack"),
                             const_cast<char*>(plan.numbers[0].c_str()),
                             const_cast<char*>(plan.numbers[1].c_str()),
                             const_cast<char*>(plan.numbers[2].c_str()),
                             const_cast<char*>(plan.numbers[3].c_str()),
                             nullptr};
  // The user's environment may hold secrets; the loader's search path is all that helps here.
  char* const environment[] = {plan.library_path.empty() ? nullptr : const_cast<char*>(plan.library_path.c_str()),
                               nullptr};
  ::setsid();  // A terminal's Ctrl-C is for the container, not for its network.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Holding the caller's output open would keep a reader of it waiting.
  if (::dup2(plan.null.get(), STDIN_FILENO) < 0 || ::dup2(plan.null.get(), STDOUT_FILENO) < 0) ::_exit(127);
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) ::_exit(127);
  for (const int fd : plan.fds) {
    if (::fcntl(fd, F_SETFD, 0) < 0) ::_exit(127);
  }
  ::execve("/proc/self/exe", arguments, environment);
  ::_exit(127);
}

std::string read_answer(int ready) {
  std::string answer;
  std::array<char, 1024> chunk{};
  while (answer.size() < 16 * chunk.size()) {
    const std::size_t size =
        sys::read(ready, chunk.data(), chunk.size()) | or_throw("reading the answer of the network helper");
    if (size == 0) break;
    answer.append(chunk.data(), size);
  }
  return answer;
}

std::string describe_end(pid_t child) {
  int status = 0;
  pid_t reaped;
  do reaped = ::waitpid(child, &status, 0);
  while (reaped < 0 && errno == EINTR);
  if (reaped < 0) return "no status known";
  if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

/// The answer is "R", or an error's message and, after a newline, its hint.
void expect_ready(const std::string& answer, pid_t child) {
  if (answer == "R") return;
  const std::string end = describe_end(child);
  if (answer.empty()) throw Error(fmt::format("the network helper ended before it was ready: {}", end));
  const std::size_t newline = answer.find('\n');
  throw Error(answer.substr(0, newline), newline == std::string::npos ? std::string{} : answer.substr(newline + 1));
}

}  // namespace

Fd spawn_netstack(const Config& config, Fd tap) {
  const Fd document = memory_file(to_json(config).dump());
  sys::Pair ready = sys::pipe() | or_throw("making a pipe for the network helper");
  sys::Pair lifetime = sys::pipe() | or_throw("making a pipe for the network helper");
  const Plan plan({document.get(), tap.get(), ready.second.get(), lifetime.first.get()});

  const pid_t child = ::fork();
  if (child < 0) throw SysError(Errno{errno}, "starting the network helper");
  if (child == 0) become_helper(plan);
  ready.second.reset();
  expect_ready(read_answer(ready.first.get()), child);
  return std::move(lifetime.second);
}

}  // namespace sandbox::netstack
