// See own_processes.h.
#include "sandbox/container/own_processes.h"

#include <signal.h>
#include <time.h>

#include <cstddef>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/process_table.h"

namespace sandbox::container {

namespace {

constexpr const char* kMounts = "mnt";

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
  mounts_ = std::move(message.fds[0]);
  channel_ = {};
}

OwnProcesses::~OwnProcesses() {
  constexpr timespec pause{0, 2'000'000};
  constexpr int most_rounds = 2500;  // five seconds: who doesn't end must not keep the container's end from being told
  if (!mounts_) return;
  for (int round = 0; round < most_rounds; ++round) {
    const std::vector<int> left = processes_in(mounts_.get(), kMounts);
    if (left.empty()) return;
    for (const int pid : left) {
      const auto process = sys::pidfd_open(pid);
      // The descriptor first, then the question what it is: now the number can't pass to another process.
      if (process && is_in(mounts_.get(), kMounts, pid)) (void)sys::pidfd_send_signal(process->get(), SIGKILL);
    }
    ::nanosleep(&pause, nullptr);
  }
}

bool has_own_processes(const Spec& spec) {
  return spec.plan.namespaces.pid && !spec.shared_namespaces.contains("pid");
}

std::vector<int> processes_of(const Container& container) {
  return processes_beside(container.state.pid, has_own_processes(container.spec) ? "pid" : kMounts);
}

}  // namespace sandbox::container
