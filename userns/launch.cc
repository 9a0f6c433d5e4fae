#include "userns/launch.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "sandbox/base/sys.h"
#include "userns/channel.h"
#include "userns/child.h"
#include "userns/dumpable.h"
#include "userns/id_map.h"
#include "userns/joined_namespaces.h"
#include "userns/kernel_settings.h"
#include "userns/mounts.h"
#include "userns/pidfd.h"

namespace sandbox::userns {
namespace {

constexpr std::size_t max_message = 8192;

std::uint64_t clone_flags(const NamespacePlan& namespaces) {
  std::uint64_t flags = CLONE_NEWNS;
  if (namespaces.user) flags |= CLONE_NEWUSER;
  if (namespaces.pid) flags |= CLONE_NEWPID;
  if (namespaces.network) flags |= CLONE_NEWNET;
  if (namespaces.ipc) flags |= CLONE_NEWIPC;
  if (namespaces.uts) flags |= CLONE_NEWUTS;
  // Two are the child's to make: the cgroup namespace, which clone(2) would root in our cgroup, even with
  // CLONE_INTO_CGROUP, and the time namespace, whose clocks must be set before a process is in it.
  return flags;
}

/// For what the host, or a container that this runs in, forbids.
const char* hint_for(Errno error) {
  const bool forbidden = error.value == EPERM || error.value == ENOSYS || error.value == ENOSPC;
  return forbidden ? "'sandbox doctor' tells why, and what to do" : "";
}

void send_word(int channel, Word word) {
  const auto byte = static_cast<std::byte>(word);
  sys::send_message(channel, {&byte, 1}, {}) | or_throw("talking to the new process");
}

/// What a `failed` message says (channel.h).
[[noreturn]] void throw_failure(const sys::Message& message, const std::string& what) {
  const std::string_view text(reinterpret_cast<const char*>(message.data.data()), message.data.size());
  if (text.size() < 2) throw LaunchError(what, 125);
  const std::string_view words = text.substr(2);
  const auto end = words.find('\0');
  throw LaunchError(std::string(words.substr(0, end)), static_cast<unsigned char>(text[1]),
                    std::string(end == std::string_view::npos ? std::string_view{} : words.substr(end + 1)));
}

/// Namespaces in which the container differs from us: joining one that we share needs a privilege over it.
int namespaces_to_join(pid_t target) {
  struct Kind {
    const char* name;
    int flag;
  };
  constexpr Kind kinds[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS}, {"pid", CLONE_NEWPID},
                            {"net", CLONE_NEWNET},   {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS},
                            {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME}};
  int flags = 0;
  for (const Kind& kind : kinds) {
    const std::string theirs = fmt::format("/proc/{}/ns/{}", target, kind.name);
    const std::string ours = fmt::format("/proc/self/ns/{}", kind.name);
    auto mine = sys::fstatat(AT_FDCWD, ours.c_str(), 0);
    if (!mine && mine.error().value == ENOENT) continue;  // a kernel without this kind
    const auto b = std::move(mine) | or_throw("reading '{}'", ours);
    const auto a = sys::fstatat(AT_FDCWD, theirs.c_str(), 0) | or_throw("reading '{}'", theirs);
    if (a.st_ino != b.st_ino || a.st_dev != b.st_dev) flags |= kind.flag;
  }
  return flags;
}

bool joins(const NamespacePlan& plan, NamespaceKind kind) {
  return std::ranges::find(plan.joined, kind, &JoinedNamespace::kind) != plan.joined.end();
}

/// Whether nobody in the joined user namespace can trace the new process before it is a program of theirs.
bool is_unseen(const NamespacePlan& plan) { return joins(plan, NamespaceKind::user); }

void prepare_joining(const LaunchPlan& plan, const std::vector<OpenedNamespace>& joined) {
  if (!is_unseen(plan.namespaces)) return enter_namespaces(joined);
  if (plan.process.oom_score_adj) set_oom_score_adj(0, *plan.process.oom_score_adj);  // only now the file is ours
  enter_unseen(joined);
}

/// A process between us and the new one, which has to be in other namespaces before it is made: `enter` moves, `run` is
/// the new process.
template <class Enter, class Run>
[[noreturn]] void run_middle(const Enter& enter, std::uint64_t flags, const Run& run, int channel) noexcept {
  try {
    enter();
    // CLONE_PARENT: our caller, not this process, is the parent and gets the exit status.
    const sys::Cloned cloned = sys::clone3(CLONE_PARENT | flags) | or_throw("starting a process in the container");
    if (cloned.pid == 0) run(channel);
    std::byte message[1 + sizeof(pid_t)];
    message[0] = static_cast<std::byte>(Word::process);
    std::memcpy(message + 1, &cloned.pid, sizeof(pid_t));
    const int fds[] = {cloned.pidfd.get()};
    ::_exit(sys::send_message(channel, message, fds) ? 0 : 1);
  } catch (const Error& error) {
    send_failure(channel, 126, error.what(), error.hint());
  } catch (const std::exception& error) {
    send_failure(channel, 126, error.what());
  }
  ::_exit(1);
}

/// In the process between: waits until carry() has moved it.
void await_carriage(int channel) noexcept {
  const auto message = sys::receive_message(channel, max_message);
  if (!message || message->data.empty()) ::_exit(1);
}

void carry(const CgroupEntry& cgroup, const sys::Cloned& middle, int channel) {
  try {
    cgroup.carry(middle.pid);
    send_word(channel, Word::prepared);
  } catch (...) {
    (void)sys::pidfd_send_signal(middle.pidfd.get(), SIGKILL);
    (void)sys::wait_pidfd(middle.pidfd.get());
    throw;
  }
}

/// Runs run_middle() in a child and waits for that one. The new process, if it came to be, has said so on the channel.
template <class Enter, class Run>
void clone_through_middle(sys::Pair& channel, const CgroupEntry& cgroup, const Enter& enter, std::uint64_t flags,
                          const Run& run) {
  const int directory = cgroup.carry ? -1 : cgroup.directory;
  const sys::Cloned middle = sys::clone3(0, directory) |
                             or_throw("{}", directory >= 0 ? "starting a process in the container's cgroup" : "forking");
  if (middle.pid == 0) {
    channel.first.reset();
    if (cgroup.carry) await_carriage(channel.second.get());
    run_middle(enter, flags, run, channel.second.release());
  }
  if (cgroup.carry) carry(cgroup, middle, channel.first.get());
  (void)sys::wait_pidfd(middle.pidfd.get());
}

}  // namespace

Launched::~Launched() {
  if (started_ || !pidfd_) return;
  (void)sys::pidfd_send_signal(pidfd_.get(), SIGKILL);
  (void)sys::wait_pidfd(pidfd_.get());
}

/// Returns when the new process has sent something. The container's own ones can stop it before it is what was asked for
/// (kill(2) with -1 reaches it), and whoever waits for it would be stopped as well.
void Launched::await_word(const std::string& what) const {
  constexpr int step = 50, patience = 10'000;  // milliseconds
  if (!among_others_) return;
  for (int waited = 0; waited < patience; waited += step) {
    pollfd word{channel_.get(), POLLIN, 0};
    if (::poll(&word, 1, step) > 0) return;
    siginfo_t info{};
    if (pidfd_ && ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
      throw LaunchError(what + ": the container's processes have stopped the new one", 126);
    }
  }
  throw LaunchError(fmt::format("{}: no answer within {} seconds", what, patience / 1000), 126);
}

void Launched::receive(const std::string& what, const LaunchHooks& hooks, Until until) {
  bool ready = until == Until::named;
  // When joining, two processes send: the new one's "ready" may come before the word that names it.
  while (!ready || !pidfd_) {
    await_word(what);
    sys::Message message = sys::receive_message(channel_.get(), max_message) | or_throw("{}", what);
    if (message.data.empty()) throw LaunchError(what + ": the new process died", 125);
    const char* text = reinterpret_cast<const char*>(message.data.data());
    switch (static_cast<Word>(text[0])) {
      case Word::nic:
        if (!message.fds.empty()) nics_.push_back(std::move(message.fds[0]));
        break;
      case Word::root:
        if (message.fds.size() != 2) throw LaunchError(what + ": no device came with the root", 125);
        if (!hooks.serve_root) throw LaunchError(what + ": nothing here can serve a FUSE root", 125);
        hooks.serve_root(std::move(message.fds[0]), std::move(message.fds[1]));
        break;
      case Word::places:
        if (message.fds.size() != 2) throw LaunchError(what + ": the container's places did not come", 125);
        user_namespace_ = std::move(message.fds[0]);
        root_ = std::move(message.fds[1]);
        break;
      case Word::mounted:
        if (hooks.before_root) hooks.before_root(pid_);
        send_word(channel_.get(), Word::prepared);
        break;
      case Word::cgroup:
        if (hooks.at_cgroup_namespace) hooks.at_cgroup_namespace(pid_);
        send_word(channel_.get(), Word::prepared);
        break;
      case Word::console:
        if (!message.fds.empty()) console_ = std::move(message.fds[0]);
        break;
      case Word::process:
        if (message.fds.empty() || message.data.size() != 1 + sizeof(pid_t)) break;
        std::memcpy(&pid_, text + 1, sizeof(pid_t));
        pidfd_ = std::move(message.fds[0]);
        break;
      case Word::ready:
        ready = true;
        break;
      case Word::failed:
        throw_failure(message, what);
      default:
        break;
    }
  }
}

Launched Launched::begin(const LaunchPlan& plan, const StdioFds& stdio, const LaunchHooks& hooks,
                         const CgroupEntry& cgroup) {
  const std::string what =
      cgroup.directory >= 0 ? "creating the container's namespaces in its cgroup" : "creating the container's namespaces";
  const std::vector<OpenedNamespace> joined = open_namespaces(plan.namespaces.joined);
  const std::vector<Fd> beforehand = clone_beforehand(plan, joined);
  Launched launched;
  sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair");
  const auto run = [&](int own_channel) { run_container_child(plan, beforehand, stdio, hooks, own_channel); };
  const Dumpable dumpable;  // the new process's /proc files must be ours while its maps are written
  if (joined.empty() && !cgroup.carry) {
    auto made = sys::clone3(clone_flags(plan.namespaces), cgroup.directory);
    if (!made) throw SysError(made.error(), what, hint_for(made.error()));
    sys::Cloned cloned = std::move(*made);
    if (cloned.pid == 0) {
      channel.first.reset();
      run(channel.second.release());
    }
    launched.pid_ = cloned.pid;
    launched.pidfd_ = std::move(cloned.pidfd);
  } else {
    clone_through_middle(channel, cgroup, [&] { prepare_joining(plan, joined); }, clone_flags(plan.namespaces), run);
    launched.among_others_ = joins(plan.namespaces, NamespaceKind::pid);
  }
  launched.channel_ = std::move(channel.first);
  channel.second.reset();
  launched.receive(what, hooks, Until::named);
  if (hooks.in_parent) hooks.in_parent(launched.pid_);
  if (plan.namespaces.user) write_id_maps(launched.pid_, plan.identity);
  const bool sets_oom_score = plan.process.oom_score_adj && !is_unseen(plan.namespaces);
  if (sets_oom_score) set_oom_score_adj(launched.pid_, *plan.process.oom_score_adj);
  send_word(launched.channel_.get(), Word::prepared);
  launched.receive("setting up the container", hooks, Until::ready);
  return launched;
}

namespace {

/// The channel's end says that execve(2) has succeeded. `wait` returns when a message can be received.
template <class Wait>
void expect_end(int connection, const TakeListener& take, const Wait& wait) {
  for (;;) {
    wait();
    sys::Message message = sys::receive_message(connection, max_message) | or_throw("starting the process");
    if (message.data.empty()) return;
    const bool is_listener = message.data[0] == static_cast<std::byte>(Word::listener) && message.fds.size() == 1;
    if (!is_listener) throw_failure(message, "starting the process failed");
    if (!take) throw LaunchError("nothing here takes the listener of the seccomp filter", 125);
    take(std::move(message.fds[0]));
  }
}

}  // namespace

void start_through(int connection, const TakeListener& take) {
  send_word(connection, Word::start);
  expect_end(connection, take, [] {});
}

void Launched::start(const TakeListener& take) {
  send_word(channel_.get(), Word::start);
  expect_end(channel_.get(), take, [&] { await_word("starting the process"); });
  started_ = true;
  channel_.reset();
}

void Launched::detach() {
  send_word(channel_.get(), Word::detach);
  // Only when it has closed its end has it disarmed its death signal.
  const sys::Message message = sys::receive_message(channel_.get(), max_message) | or_throw("detaching the process");
  if (!message.data.empty()) throw_failure(message, "detaching the process failed");
  started_ = true;
  channel_.reset();
}

/// Begins a process that `enter` moves into a container.
class Joiner {
 public:
  template <class Enter>
  static Launched begin(const Enter& enter, const ProcessPlan& process, const StdioFds& stdio,
                        const CgroupEntry& cgroup) {
    Launched launched;
    sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair");
    const auto prepare = [&] {
      if (process.oom_score_adj) {
        const Dumpable dumpable;
        set_oom_score_adj(0, *process.oom_score_adj);
      }
      ::prctl(PR_SET_DUMPABLE, 0);
      enter();
    };
    clone_through_middle(channel, cgroup, prepare, 0,
                         [&](int own_channel) { run_joined_child(process, stdio, own_channel); });
    launched.channel_ = std::move(channel.first);
    launched.among_others_ = true;
    channel.second.reset();
    launched.receive("joining the container", {}, Launched::Until::ready);
    return launched;
  }
};

Launched join(int container_pidfd, const ProcessPlan& process, const StdioFds& stdio, const CgroupEntry& cgroup) {
  const int flags = namespaces_to_join(pid_of(container_pidfd));
  const auto enter = [&] { sys::setns(container_pidfd, flags) | or_throw("joining the container's namespaces"); };
  return Joiner::begin(enter, process, stdio, cgroup);
}

std::optional<Launched> join_waiting(int connection, const ProcessPlan& process, const StdioFds& stdio,
                                     const CgroupEntry& cgroup) {
  const auto byte = static_cast<std::byte>(Word::namespaces);
  if (!sys::send_message(connection, {&byte, 1}, {})) return std::nullopt;
  auto answer = sys::receive_message(connection, max_message);
  if (!answer || answer->data.empty()) return std::nullopt;
  const std::vector<OpenedNamespace> namespaces = recognize_namespaces(std::move(answer->fds));
  return Joiner::begin([&] { enter_namespaces(namespaces); }, process, stdio, cgroup);
}

void enter_network(int container_pidfd) {
  const int flags = namespaces_to_join(pid_of(container_pidfd)) & (CLONE_NEWUSER | CLONE_NEWNET);
  sys::setns(container_pidfd, flags) | or_throw("joining the container's network");
}

}  // namespace sandbox::userns
