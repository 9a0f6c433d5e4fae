#include "userns/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <utility>
#include <vector>

#include "sandbox/base/sys.h"
#include "userns/channel.h"
#include "userns/devices.h"
#include "userns/final_exec.h"
#include "userns/home.h"
#include "userns/joined_namespaces.h"
#include "userns/kernel_settings.h"
#include "userns/mounts.h"
#include "userns/root.h"
#include "userns/task_attributes.h"
#include "userns/time_namespace.h"

namespace sandbox::userns {
namespace {

void expect_word(int channel, Word word) {
  char byte = 0;
  const std::size_t count = sys::read(channel, &byte, 1) | or_throw("waiting for the supervisor");
  if (count != 1 || byte != static_cast<char>(word)) ::_exit(1);  // the supervisor died
}

void send_word(int channel, Word word, std::span<const int> fds = {}) {
  const auto byte = static_cast<std::byte>(word);
  sys::send_message(channel, {&byte, 1}, fds) | or_throw("talking to the supervisor");
}

bool maps_root(const std::vector<IdMapping>& map) {
  return std::any_of(map.begin(), map.end(), [](const IdMapping& line) { return line.inside == 0; });
}

/// Root of the namespace while setting up, where the map has one.
void become_namespace_root(const IdentityPlan& identity) {
  if (maps_root(identity.gid_map) && ::setresgid(0, 0, 0) < 0) throw SysError(Errno{errno}, "setresgid 0");
  if (maps_root(identity.uid_map) && ::setresuid(0, 0, 0) < 0) throw SysError(Errno{errno}, "setresuid 0");
}

void set_up_network(const LaunchPlan& plan, const LaunchHooks& hooks, int channel) {
  if (!plan.namespaces.network) return;
  if (hooks.bring_up_loopback) hooks.bring_up_loopback();
  std::vector<NetworkInterface> interfaces = plan.interfaces;
  if (plan.network) interfaces.insert(interfaces.begin(), *plan.network);
  for (const NetworkInterface& interface : interfaces) {
    if (!hooks.create_nic) throw Error("a network interface is planned, and nothing can make it");
    const Fd nic = hooks.create_nic(interface);
    const int fds[] = {nic.get()};
    send_word(channel, Word::nic, fds);
  }
}

void set_names(const LaunchPlan& plan) {
  const std::string& host = plan.hostname;
  if (!host.empty() && ::sethostname(host.data(), host.size()) < 0) {
    throw SysError(Errno{errno}, fmt::format("setting the host name '{}'", host));
  }
  const std::string& domain = plan.domainname;
  if (!domain.empty() && ::setdomainname(domain.data(), domain.size()) < 0) {
    throw SysError(Errno{errno}, fmt::format("setting the domain name '{}'", domain));
  }
}

/// A pseudo-terminal of the container's devpts: the master goes to the supervisor, the slave is returned.
Fd open_terminal(int root, int channel, const ProcessPlan& process) {
  const Fd master = open_in_root(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  int unlock = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlock) < 0) throw SysError(Errno{errno}, "unlocking the terminal");
  // TIOCGPTPEER (ioctl_tty(2), Linux 4.13) opens the peer without a path.
  Fd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave) throw SysError(Errno{errno}, "opening the terminal");
  if (::fchown(slave.get(), process.uid, static_cast<gid_t>(-1)) < 0) {
    throw SysError(Errno{errno}, "giving the terminal to the user");
  }
  if (process.console_size) {
    const winsize size{process.console_size->rows, process.console_size->columns, 0, 0};
    if (::ioctl(slave.get(), TIOCSWINSZ, &size) < 0) throw SysError(Errno{errno}, "setting the terminal's size");
  }
  const int fds[] = {master.get()};
  send_word(channel, Word::console, fds);
  return slave;
}

void set_stdio(const StdioFds& stdio, const Fd& terminal) {
  const int sources[] = {terminal ? terminal.get() : stdio.in, terminal ? terminal.get() : stdio.out,
                         terminal ? terminal.get() : stdio.err};
  for (int target = 0; target < 3; ++target) {
    if (sources[target] >= 0 && ::dup2(sources[target], target) < 0) throw SysError(Errno{errno}, "setting up stdio");
  }
  for (int fd = 0; fd < 3; ++fd) sys::set_cloexec(fd, false) | or_throw("setting up stdio");
  if (terminal && ::ioctl(0, TIOCSCTTY, 0) < 0) throw SysError(Errno{errno}, "taking the terminal");
}

/// What the process was given it may open again by name (/dev/stdout), whoever made it. Only what hardly outlives the
/// process changes hands: not a file, and not a device such as /dev/null. Where that is not allowed nothing is lost.
void give_stdio(const ProcessPlan& process) {
  for (int fd = 0; fd < 3; ++fd) {
    const auto status = sys::fstat(fd);
    const bool is_channel = status && (S_ISFIFO(status->st_mode) || S_ISSOCK(status->st_mode));
    if (is_channel && status->st_uid != process.uid) (void)::fchown(fd, process.uid, process.gid);
  }
}

int end_of_passed(const StdioFds& stdio) { return 3 + static_cast<int>(stdio.passed.size()); }

/// The channel, with a number that is nobody's who is passed on.
int out_of_the_way(int channel, const StdioFds& stdio) noexcept {
  if (channel >= end_of_passed(stdio)) return channel;
  const int moved = ::fcntl(channel, F_DUPFD_CLOEXEC, end_of_passed(stdio));
  if (moved < 0) {
    send_failure(channel, 125, "passing file descriptors on");
    ::_exit(125);
  }
  ::close(channel);
  return moved;
}

/// The process gets these and its standard streams. Precondition: nothing else below end_of_passed() is needed.
void pass_descriptors(const StdioFds& stdio) {
  const int end = end_of_passed(stdio);
  std::vector<std::pair<int, Fd>> moving;  // beyond all numbers, so that none is overwritten before its turn
  for (int fd = 3; fd < end; ++fd) {
    const int source = stdio.passed[static_cast<std::size_t>(fd - 3)];
    if (source == fd) continue;
    Fd copy(::fcntl(source, F_DUPFD_CLOEXEC, end));
    if (!copy) throw SysError(Errno{errno}, fmt::format("passing on file descriptor {}", fd));
    moving.emplace_back(fd, std::move(copy));
  }
  for (const auto& [fd, copy] : moving) {
    if (::dup2(copy.get(), fd) < 0) throw SysError(Errno{errno}, fmt::format("passing on file descriptor {}", fd));
  }
  for (int fd = 3; fd < end; ++fd) sys::set_cloexec(fd, false) | or_throw("passing on file descriptor {}", fd);
  if (::close_range(static_cast<unsigned>(end), ~0U, CLOSE_RANGE_CLOEXEC) < 0)
    throw SysError(Errno{errno}, "close_range");
}

void make_working_directory(int root, const std::string& path) {
  try {
    (void)make_directory_in_root(root, path);
  } catch (const SysError& error) {
    if (error.code() != ENOTDIR) throw;
    throw Error(fmt::format("Cannot mkdir: {} is not a directory", path));  // Docker's words
  }
}

/// In runc's words and with Docker's exit status, as where the program itself is missing or may not be executed.
[[noreturn]] void fail_to_enter(const std::string& path, Errno error) {
  std::string reason = error.message();
  reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  const bool missing = error.value == ENOENT || error.value == ENOTDIR;
  throw LaunchError(fmt::format("chdir to cwd (\"{}\") failed: {}", path, reason), missing ? 127 : 126);
}

void enter_working_directory(const std::string& path) {
  const Fd root = sys::openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY) | or_throw("opening '/'");
  const auto directory =
      sys::openat2(root.get(), path.c_str(), O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!directory) fail_to_enter(path, directory.error());
  if (::fchdir(directory->get()) < 0) fail_to_enter(path, Errno{errno});
}

void add_home(ProcessPlan& process) {
  const auto home = std::ranges::find_if(process.env, [](const auto& entry) { return entry.starts_with("HOME="); });
  if (home == process.env.end()) {
    process.env.push_back("HOME=" + find_home(process.uid));
  } else if (*home == "HOME=") {
    *home += find_home(process.uid);
  }
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

pid_t init_child = 0;  // the only state that a signal handler of the tiny init can reach

void forward_signal(int number) {
  if (init_child > 0) ::kill(init_child, number);
}

/// Tiny init: pid 1 forwards signals, reaps everything, ends with the program's status.
[[noreturn]] void run_init(const FinalExec& prepared, int channel) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // where another is pid 1, in a shared namespace
  const pid_t child = ::fork();
  if (child < 0) throw SysError(Errno{errno}, "forking below init");
  if (child == 0) run_final_exec(prepared, channel);
  ::close(channel);
  init_child = child;
  ::close_range(3, ~0U, 0);
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT})
    ::signal(number, forward_signal);
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended != child) continue;
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}

/// Who wants to join gets our namespaces. It may be gone before it has them.
void hand_over(const std::vector<Fd>& namespaces, int connection) {
  std::vector<int> fds;
  for (const Fd& file : namespaces) fds.push_back(file.get());
  const auto byte = static_cast<std::byte>(Word::namespaces);
  (void)sys::send_message(connection, {&byte, 1}, fds);
}

/// Takes the first connection that says so; one that closes without a word belongs to a caller that died.
Fd wait_at_gate(int gate, const std::vector<Fd>& namespaces) {
  for (;;) {
    const Fd connection(::accept4(gate, nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      throw SysError(Errno{errno}, "waiting for the word to start");
    }
    char byte = 0;
    const auto count = sys::read(connection.get(), &byte, 1);
    if (!count || *count != 1) continue;
    if (byte == static_cast<char>(Word::namespaces)) hand_over(namespaces, connection.get());
    if (byte == static_cast<char>(Word::start)) return Fd(::fcntl(connection.get(), F_DUPFD_CLOEXEC, 3));
  }
}

/// Waits until the process may execute. Returns the channel for the rest of its way.
int await_start(int channel, int gate, const std::vector<Fd>& namespaces) {
  char byte = 0;
  const std::size_t count = sys::read(channel, &byte, 1) | or_throw("waiting for the supervisor");
  if (count == 1 && byte == static_cast<char>(Word::start)) return channel;
  if (count != 1 || byte != static_cast<char>(Word::detach) || gate < 0) ::_exit(1);  // the supervisor died
  ::prctl(PR_SET_PDEATHSIG, 0);
  ::close(channel);
  return wait_at_gate(gate, namespaces).release();
}

/// Only the container's program has a listener; what the filter would ask it fails in others (seccomp(2), ENOSYS).
constexpr std::uint32_t listener_flags =
    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

/// A failure goes to whoever has said "start".
void run_before_program(const LaunchHooks& hooks, const ProcessPlan& process, int channel) noexcept {
  if (!hooks.before_program) return;
  try {
    hooks.before_program([&](const std::string& path, const std::vector<std::string>& argv,
                             const std::optional<std::vector<std::string>>& env) {
      ProcessPlan plan = process;
      plan.argv = argv;
      if (env) plan.env = *env;
      plan.seccomp_flags &= ~listener_flags;
      run_final_exec(FinalExec(plan, path), channel);
    });
    return;
  } catch (const Error& error) {
    send_failure(channel, 125, error.what(), error.hint());
  } catch (const std::exception& error) {
    send_failure(channel, 125, error.what());
  }
  ::_exit(125);
}

void finish(const ProcessPlan& planned, const StdioFds& stdio, const Fd& terminal, const std::vector<Fd>& namespaces,
            const LaunchHooks& hooks, int channel, bool init) {
  ProcessPlan process = planned;
  if (process.finds_home) add_home(process);
  ::setsid();
  reset_signals();
  set_stdio(stdio, terminal);
  give_stdio(process);
  enter_working_directory(process.cwd);
  if (process.attributes) apply(*process.attributes);
  const FinalExec prepared(process);
  pass_descriptors(stdio);
  if (process.detached) refuse_missing_program(prepared, channel);
  send_word(channel, Word::ready);
  const int last_channel = await_start(channel, stdio.gate, namespaces);
  run_before_program(hooks, process, last_channel);
  // Before the channel, whose end tells that the program runs: execve(2) closes in no order that could be relied on.
  if (stdio.gate >= 0) ::close(stdio.gate);
  if (init) run_init(prepared, last_channel);
  run_final_exec(prepared, last_channel);
}

void make_cgroup_namespace(const LaunchHooks& hooks, int channel) {
  const auto tell_parent = [&] {
    if (!hooks.at_cgroup_namespace) return;
    send_word(channel, Word::cgroup);
    expect_word(channel, Word::prepared);
  };
  tell_parent();
  sys::unshare(CLONE_NEWCGROUP) | or_throw("making a cgroup namespace");
  tell_parent();
}

void set_up_container(const LaunchPlan& plan, const std::vector<Fd>& beforehand, const StdioFds& stdio,
                      const LaunchHooks& hooks, int channel) {
  expect_word(channel, Word::prepared);
  if (plan.namespaces.time) make_time_namespace(plan.namespaces.clock_offsets);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (plan.namespaces.user) become_namespace_root(plan.identity);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of ids has cleared it (prctl(2))
  if (plan.namespaces.cgroup) make_cgroup_namespace(hooks, channel);
  set_up_network(plan, hooks, channel);
  set_names(plan);
  write_sysctls(plan.sysctls);
  ::umask(0);
  const std::vector<Fd> propagating = clone_propagating(plan.mounts);
  const Fd root = mount_root(plan.root, [channel](const Fd& device, const Fd& user_namespace) {
    const int fds[] = {device.get(), user_namespace.get()};
    send_word(channel, Word::root, fds);
  });
  const std::vector<Fd> read_only_last = apply_mounts(root.get(), plan, propagating, beforehand);
  if (hooks.before_root) {
    send_word(channel, Word::mounted);
    expect_word(channel, Word::prepared);
  }
  if (hooks.in_namespaces) hooks.in_namespaces();
  Fd terminal;
  if (plan.process.terminal) {
    terminal = open_terminal(root.get(), channel, plan.process);
    bind_console(root.get(), terminal.get());
  }
  close_to_writers(read_only_last);
  mask_paths(root.get(), plan.masked_paths);
  make_paths_read_only(root.get(), plan.read_only_paths);
  const std::vector<Fd> namespaces = stdio.gate >= 0 ? open_own_namespaces() : std::vector<Fd>();
  Fd user_namespace;
  if (!plan.process.notifying.empty()) {
    user_namespace = sys::openat(AT_FDCWD, "/proc/self/ns/user", O_RDONLY) | or_throw("opening '/proc/self/ns/user'");
  }
  set_exec_labels(plan.process);
  enter_root(root.get(), plan.root.no_pivot);
  const Fd top = sys::openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY) | or_throw("opening '/'");
  if (user_namespace) {
    // The kernel shows them to nobody as long as this process isn't the container's program (proc(5), "dumpable").
    const int fds[] = {user_namespace.get(), top.get()};
    send_word(channel, Word::places, fds);
  }
  make_working_directory(top.get(), plan.process.cwd);
  if (plan.root.read_only) {
    sys::mount_setattr(top.get(), MOUNT_ATTR_RDONLY, 0, false) | or_throw("making the root read-only");
  }
  set_root_propagation(plan.root);
  finish(plan.process, stdio, terminal, namespaces, hooks, channel, plan.process.init);
}

template <class Step>
[[noreturn]] void run_guarded(int channel, Step step) noexcept {
  try {
    step();
  } catch (const LaunchError& error) {
    send_failure(channel, error.exit_code(), error.what(), error.hint());
  } catch (const Error& error) {
    send_failure(channel, 125, error.what(), error.hint());
  } catch (const std::exception& error) {
    send_failure(channel, 125, error.what());
  }
  ::_exit(125);
}

}  // namespace

void send_failure(int channel, int exit_code, std::string_view message, std::string_view hint) noexcept {
  constexpr std::size_t half = 1024;  // of a message that is too long: its beginning, and its end, which is the reason
  char buffer[4096];
  buffer[0] = static_cast<char>(Word::failed);
  buffer[1] = static_cast<char>(exit_code);
  std::size_t size = 2 + message.copy(buffer + 2, message.size() > 2 * half ? half : 2 * half);
  if (message.size() > 2 * half) size += message.copy(buffer + size, half, message.size() - half);
  if (!hint.empty()) {
    buffer[size++] = 0;
    size += hint.copy(buffer + size, sizeof buffer - size);
  }
  (void)sys::write(channel, buffer, size);
}

void run_container_child(const LaunchPlan& plan, const std::vector<Fd>& beforehand, const StdioFds& stdio,
                         const LaunchHooks& hooks, int given) noexcept {
  const int channel = out_of_the_way(given, stdio);
  run_guarded(channel, [&] { set_up_container(plan, beforehand, stdio, hooks, channel); });
}

void run_joined_child(const ProcessPlan& process, const StdioFds& stdio, int given) noexcept {
  const int channel = out_of_the_way(given, stdio);
  run_guarded(channel, [&] {
    ::prctl(PR_SET_DUMPABLE, 0);
    set_exec_labels(process);
    Fd terminal;
    if (process.terminal) {
      const Fd root = sys::openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY) | or_throw("opening '/'");
      terminal = open_terminal(root.get(), channel, process);
    }
    finish(process, stdio, terminal, {}, {}, channel, false);
  });
}

}  // namespace sandbox::userns
