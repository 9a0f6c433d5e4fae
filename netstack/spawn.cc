// Starts the network helper from the container's supervisor. Between fork and exec only
// async-signal-safe calls run. The helper is a child of the caller: after the channel
// has closed it ends by itself, and the caller, who waits for any child (a subreaper), reaps it.
// Every copy of the channel's end keeps the helper alive, also one in a forked child before it executes a program.
#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

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
  std::array<int, 2> fds;  // config, channel
  std::array<std::string, 2> numbers;
  std::string library_path;
  Fd null;

  explicit Plan(const std::array<int, 2>& descriptors) : fds(descriptors) {
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

std::string read_answer(int channel, std::size_t limit) {
  auto message = sys::receive_message(channel, limit);
  // unix(7): a helper that ended with our word unread; what it said before comes after this error.
  if (!message && message.error().value == ECONNRESET) message = sys::receive_message(channel, limit);
  if (!message) throw SysError(message.error(), "reading the answer of the network helper");
  std::string answer(message->data.size(), '\0');
  std::ranges::transform(message->data, answer.begin(), [](std::byte byte) { return static_cast<char>(byte); });
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

/// An answer is "R" and the ports' numbers, a space before each, or an error's message and, after a newline, its hint.
std::vector<std::uint16_t> ports_from(const std::string& answer, std::size_t count) {
  std::vector<std::uint16_t> ports;
  std::istringstream words(answer.substr(1));
  for (unsigned port = 0; words >> port;) ports.push_back(static_cast<std::uint16_t>(port));
  if (ports.size() != count) throw Error("the network helper's answer lacks ports");
  return ports;
}

[[noreturn]] void throw_failure(const std::string& answer, pid_t child) {
  const std::string end = describe_end(child);
  if (answer.empty()) throw Error(fmt::format("the network helper ended before it was ready: {}", end));
  const std::size_t newline = answer.find('\n');
  throw Error(answer.substr(0, newline), newline == std::string::npos ? std::string{} : answer.substr(newline + 1));
}

}  // namespace

Helper::Helper(const Config& config) : forwards_(config.forwards.size()) {
  const Fd document = memory_file(to_json(config).dump());
  sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("connecting the network helper");
  const Plan plan({document.get(), channel.second.get()});
  pid_ = ::fork();
  if (pid_ < 0) throw SysError(Errno{errno}, "starting the network helper");
  if (pid_ == 0) become_helper(plan);
  channel_ = std::move(channel.first);
  pidfd_ = sys::pidfd_open(pid_) | or_throw("watching the network helper");
}

Helper::~Helper() {
  constexpr int kEndTime = 2000;  // milliseconds; it has nothing to do but to close its sockets
  channel_.reset();
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, kEndTime) > 0) return;
  static_cast<void>(sys::pidfd_send_signal(pidfd_.get(), SIGKILL));
  static_cast<void>(::poll(&ended, 1, kEndTime));
}

std::vector<std::uint16_t> Helper::connect(Fd nic) {
  const std::byte word{};
  const int fd = nic.get();
  // A helper that has failed by now has left its reason in the channel before it closed it.
  static_cast<void>(sys::send_message(channel_.get(), {&word, 1}, {&fd, 1}));
  nic.reset();
  const std::string answer = read_answer(channel_.get(), 4096 + forwards_ * std::size(" 65535"));
  if (!answer.starts_with('R')) throw_failure(answer, pid_);
  return ports_from(answer, forwards_);
}

}  // namespace sandbox::netstack
