// See own_processes.h.
#include "sandbox/container/own_processes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/process_table.h"

namespace sandbox::container {

namespace {

constexpr const char* kMounts = "mnt";

using std::chrono::milliseconds;

/// Who doesn't end must not keep the container's end from being told.
constexpr milliseconds kPatience{5000};
constexpr milliseconds kFirstPause{1}, kLongestPause{250};

/// Whether some may be left, who have been killed.
bool kill_those_in(int mounts) noexcept {
  try {
    const std::vector<int> left = processes_in(mounts, kMounts);
    for (const int pid : left) {
      const auto process = sys::pidfd_open(pid);
      // The descriptor first, then the question what it is: now the number can't pass to another process.
      if (process && is_in(mounts, kMounts, pid)) (void)sys::pidfd_send_signal(process->get(), SIGKILL);
    }
    return !left.empty();
  } catch (const std::exception&) {
    return true;  // the next look may succeed
  }
}

/// They may start others while they are being killed.
void end_those_in(int mounts) noexcept {
  milliseconds waited{0}, pause = kFirstPause;
  while (kill_those_in(mounts) && waited < kPatience) {
    (void)::poll(nullptr, 0, static_cast<int>(pause.count()));
    waited += pause;
    pause = std::min(2 * pause, kLongestPause);
  }
}

/// What else the supervisor has open would seem to be in use after its end.
void close_all_but(std::vector<int> kept) noexcept {
  std::ranges::sort(kept);
  unsigned next = STDERR_FILENO + 1;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) (void)::close_range(next, number - 1, 0);
    next = number + 1;
  }
  (void)::close_range(next, ~0U, 0);
}

/// The child. Not the end of file of `word`: a process that is just joining the container has its other end, too.
[[noreturn]] void run_ender(int mounts, int word, int supervisor) noexcept {
  ::prctl(PR_SET_NAME, "sbx:ender");
  close_all_but({mounts, word, supervisor});
  pollfd ends[] = {{word, POLLIN, 0}, {supervisor, POLLIN, 0}};
  while (::poll(ends, 2, -1) < 0 && errno == EINTR) {
  }
  end_those_in(mounts);
  ::_exit(0);
}

}  // namespace

OwnProcesses::OwnProcesses() : channel_(sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair")) {}

void OwnProcesses::introduce() const {
  const char* path = "/proc/self/ns/mnt";
  const Fd mounts = sys::openat(AT_FDCWD, path, O_RDONLY) | or_throw("opening '{}'", path);
  const int fds[] = {mounts.get()};
  const std::byte word{};
  sys::send_message(channel_.second.get(), {&word, 1}, fds) | or_throw("handing over the mount namespace");
}

void OwnProcesses::recognize() {
  sys::Message message = sys::receive_message(channel_.first.get(), 1) | or_throw("receiving the mount namespace");
  if (message.fds.size() != 1) throw Error("the container's mount namespace did not come");
  channel_ = {};
  const Fd supervisor = sys::pidfd_open(::getpid()) | or_throw("opening the supervisor");
  sys::Pair pipe = sys::pipe() | or_throw("making a pipe");
  sys::Cloned child = sys::clone3(0) | or_throw("starting a child");
  if (child.pid == 0) run_ender(message.fds[0].get(), pipe.first.get(), supervisor.get());
  ender_ = std::move(child);
  word_ = std::move(pipe.second);
}

OwnProcesses::~OwnProcesses() {
  if (!ender_.pidfd) return;
  const char now{};
  (void)sys::write(word_.get(), &now, 1);
  pollfd ended{ender_.pidfd.get(), POLLIN, 0};
  (void)::poll(&ended, 1, static_cast<int>(kPatience.count()));
  (void)sys::pidfd_send_signal(ender_.pidfd.get(), SIGKILL);
  (void)sys::wait_pidfd(ender_.pidfd.get());
}

bool has_own_processes(const Spec& spec) {
  return spec.plan.namespaces.pid && !spec.shared_namespaces.contains("pid");
}

std::vector<int> processes_of(const Container& container) {
  return processes_beside(container.state.pid, has_own_processes(container.spec) ? "pid" : kMounts);
}

}  // namespace sandbox::container
