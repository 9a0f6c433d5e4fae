// Between fork and exec only async-signal-safe calls run.
#include "sandbox/base/helper_process.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

/// Everything that the child needs, made before the fork.
struct Plan {
  std::vector<int> fds;
  std::vector<std::string> words;
  std::vector<char*> arguments;
  std::string library_path;
  Fd null;

  Plan(const std::string& mode, std::vector<int> descriptors) : fds(std::move(descriptors)) {
    words = {"sbx:" + mode, "helper", mode};
    for (const int fd : fds) words.push_back(std::to_string(fd));
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (const char* path = ::getenv("LD_LIBRARY_PATH")) library_path = std::string("LD_LIBRARY_PATH=") + path;
    null = sys::openat(AT_FDCWD, "/dev/null", O_RDWR) | or_throw("opening '/dev/null'");
  }
  Plan(const Plan&) = delete;  // `arguments` points into `words`
  Plan& operator=(const Plan&) = delete;
};

[[noreturn]] void become_helper(const Plan& plan) noexcept {
  // The user's environment may hold secrets; the loader's search path is all that helps here.
  char* const environment[] = {plan.library_path.empty() ? nullptr : const_cast<char*>(plan.library_path.c_str()),
                               nullptr};
  ::setsid();  // A terminal's Ctrl-C is for the container, not for its helpers.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Holding the caller's output open would keep a reader of it waiting.
  if (::dup2(plan.null.get(), STDIN_FILENO) < 0 || ::dup2(plan.null.get(), STDOUT_FILENO) < 0) ::_exit(127);
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) ::_exit(127);
  for (const int fd : plan.fds) {
    if (::fcntl(fd, F_SETFD, 0) < 0) ::_exit(127);
  }
  ::execve("/proc/self/exe", plan.arguments.data(), environment);
  ::_exit(127);
}

std::string read_all(int fd, std::size_t limit, const char* what) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const std::size_t size = sys::read(fd, chunk.data(), chunk.size()) | or_throw("reading {}", what);
    if (size == 0) return text;
    text.append(chunk.data(), size);
    if (text.size() > limit) throw InvalidInput(fmt::format("{}: larger than {} bytes", what, limit));
  }
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

}  // namespace

Fd helper_document(const std::string& document) {
  Fd file(::memfd_create("helper-config", MFD_CLOEXEC));
  if (!file) throw SysError(Errno{errno}, "making a memory file for a helper's configuration");
  sys::write_all(file.get(), document.data(), document.size()) | or_throw("writing a helper's configuration");
  if (::lseek(file.get(), 0, SEEK_SET) < 0) throw SysError(Errno{errno}, "rewinding a helper's configuration");
  return file;
}

pid_t start_helper(const std::string& mode, std::vector<int> descriptors) {
  const Plan plan(mode, std::move(descriptors));
  const pid_t child = ::fork();
  if (child < 0) throw SysError(Errno{errno}, fmt::format("starting the {} helper", mode));
  if (child == 0) become_helper(plan);
  return child;
}

void throw_helper_failure(const std::string& mode, const std::string& words, pid_t helper) {
  const std::string end = describe_end(helper);
  if (words.empty()) throw Error(fmt::format("the {} helper ended before it was ready: {}", mode, end));
  const std::size_t newline = words.find('\n');
  throw Error(words.substr(0, newline), newline == std::string::npos ? std::string{} : words.substr(newline + 1));
}

HelperProcess spawn_helper(const std::string& mode, const std::string& document, std::span<const int> extra) {
  const Fd config = helper_document(document);
  sys::Pair ready = sys::pipe() | or_throw("making a pipe for the {} helper", mode);
  sys::Pair lifetime = sys::pipe() | or_throw("making a pipe for the {} helper", mode);
  std::vector<int> fds{config.get(), ready.second.get(), lifetime.first.get()};
  fds.insert(fds.end(), extra.begin(), extra.end());
  const pid_t child = start_helper(mode, std::move(fds));
  ready.second.reset();
  // "R", or the reason.
  const std::string answer = read_all(ready.first.get(), 16384, "the helper's answer");
  if (answer != "R") throw_helper_failure(mode, answer, child);
  return {child, std::move(lifetime.second)};
}

std::string read_helper_document(const Fd& config) {
  return read_all(config.get(), std::size_t{1} << 20, "the helper's configuration");
}

void answer_ready(Fd ready) { (void)sys::write_all(ready.get(), "R", 1); }

void answer_failure(Fd ready, const std::exception& error) {
  if (!ready) return;
  std::string text = error.what();
  if (const auto* own = dynamic_cast<const Error*>(&error); own != nullptr && !own->hint().empty()) {
    text += "\n" + own->hint();
  }
  (void)sys::write_all(ready.get(), text.data(), text.size());
}

}  // namespace sandbox
