#include "sandbox/runtime/processes.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/process.h"
#include "sandbox/base/process_table.h"
#include "sandbox/base/sys.h"
#include "sandbox/runtime/cgroup.h"

namespace sandbox::runtime {
namespace {

std::vector<int> members_of(const Record& record) {
  const auto cgroup = cgroup_of(record);
  return cgroup ? cgroup->processes() : processes_of(record);
}

}  // namespace

std::vector<int> processes_of(const Record& record) {
  (void)open_process(record);
  if (const auto cgroup = cgroup_of(record)) return cgroup->processes();
  std::vector<int> pids = processes_beside(record.pid);
  // A process that waits for `start` shows its namespaces to nobody, and one may have been left in ours.
  const bool own_namespace = !pids.empty() && !std::ranges::binary_search(pids, ::getpid());
  return own_namespace ? pids : processes_below(record.pid);
}

void signal_all(const Record& record, int signal) {
  if (signal == SIGKILL && kill_in_cgroup(record)) return;
  std::vector<std::pair<int, Fd>> opened;
  for (const int pid : members_of(record)) {
    if (auto process = sys::pidfd_open(pid)) opened.emplace_back(pid, std::move(*process));
  }
  // Who is a member now was one when it was opened: a number may have become a stranger's in between (pidfd_open(2)).
  const std::vector<int> members = members_of(record);
  bool sent = false;
  for (const auto& [pid, process] : opened) {
    if (!std::ranges::binary_search(members, pid)) continue;
    sent = sys::pidfd_send_signal(process.get(), signal).has_value() || sent;
  }
  if (!sent) throw Conflict("container not running");
}

bool kill_in_cgroup(const Record& record) {
  const auto cgroup = cgroup_of(record);
  const auto is_running = [](int pid) { return process_start_time(pid) != 0; };  // and not just ending
  if (!cgroup || std::ranges::none_of(cgroup->processes(), is_running)) return false;
  cgroup->kill();
  return true;
}

}  // namespace sandbox::runtime
