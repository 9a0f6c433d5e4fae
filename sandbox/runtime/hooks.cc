#include "sandbox/runtime/hooks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <limits>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::runtime {
namespace {

constexpr std::size_t quoted_output = 1024;  // bytes of a failed hook's output that are repeated

Fd memory_file(const char* name) {
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) throw SysError(Errno{errno}, "making a memory file for a hook");
  return file;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

/// Without an environment of its own a hook gets ours.
void execute(const std::string& path, const std::vector<std::string>& argv,
             const std::optional<std::vector<std::string>>& env) {
  ::execve(path.c_str(), pointers(argv).data(), env ? pointers(*env).data() : environ);
  const std::string reason = fmt::format("{}: {}\n", path, Errno{errno}.message());
  (void)sys::write_all(STDERR_FILENO, reason.data(), reason.size());
  ::_exit(127);
}

[[noreturn]] void become_hook(const oci::Hook& hook, int input, int output, const Become& become) noexcept {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  // Not our own output: that is the container's.
  if (::dup2(input, 0) >= 0 && ::dup2(output, 1) >= 0 && ::dup2(output, 2) >= 0 &&
      ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
    const Become& run = become ? become : Become(execute);
    run(hook.path, hook.args.empty() ? std::vector{hook.path} : hook.args, hook.env);
  }
  ::_exit(127);
}

/// Its wait status; none when it had to be killed for want of an end.
std::optional<int> wait_for(const sys::Cloned& child, const std::optional<std::int64_t>& seconds) {
  constexpr std::int64_t longest = std::numeric_limits<int>::max() / 1000;
  const int patience = seconds ? static_cast<int>(std::min(*seconds, longest) * 1000) : -1;
  pollfd item{child.pidfd.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&item, 1, patience);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) (void)sys::pidfd_send_signal(child.pidfd.get(), SIGKILL);
  const int status = sys::wait_pidfd(child.pidfd.get()) | or_throw("waiting for a hook");
  return ready == 0 ? std::nullopt : std::optional(status);
}

std::string beginning_of(const Fd& output) {
  char buffer[quoted_output];
  const auto size = sys::pread(output.get(), buffer, sizeof buffer, 0);
  std::string text(buffer, size.value_or(0));
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? "" : ", output: " + text;
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal: {}", ::sigdescr_np(WTERMSIG(status)));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

void run_hook(const oci::Hook& hook, const std::string& what, const std::string& state, const Become& become) {
  const Fd input = memory_file("hook-state"), output = memory_file("hook-output");
  sys::write_all(input.get(), state.data(), state.size()) | or_throw("writing the state for a hook");
  sys::lseek(input.get(), 0, SEEK_SET) | or_throw("rewinding the state for a hook");
  const sys::Cloned child = sys::clone3(0) | or_throw("starting a hook");
  if (child.pid == 0) become_hook(hook, input.get(), output.get(), become);
  const auto status = wait_for(child, hook.timeout);
  if (!status) throw Error(fmt::format("{}: hook ran past specified timeout of {} seconds", what, *hook.timeout));
  if (*status != 0) throw Error(fmt::format("{}: {}{}", what, describe(*status), beginning_of(output)));
}

}  // namespace

void run_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const Become& become) {
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    run_hook(hooks[i], fmt::format("error running {} hook #{}", kind, i), state, become);
  }
}

}  // namespace sandbox::runtime
