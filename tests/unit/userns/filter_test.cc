// Filters of system calls that somebody outside decides about.
#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <cstring>
#include <thread>

#include "tests/unit/userns/busybox_root.h"

using namespace sandbox;
using namespace sandbox::userns;

namespace {

/// A plan whose every system call waits for the listener.
LaunchPlan asking_plan(const Root& root) {
  const sock_filter ask = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  LaunchPlan plan = plan_for(root, {"sh", "-c", "exit 9"});
  plan.process.seccomp.resize(sizeof ask);
  std::memcpy(plan.process.seccomp.data(), &ask, sizeof ask);
  plan.process.seccomp_flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  return plan;
}

/// Lets every call go on until no process has the filter any more.
void allow_everything(const Fd& listener) {
  pollfd item{listener.get(), POLLIN, 0};
  while (::poll(&item, 1, 10'000) > 0 && (item.revents & POLLHUP) == 0) {
    seccomp_notif call{};
    if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) continue;
    seccomp_notif_resp answer{call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    (void)::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

}  // namespace

TEST_CASE("a filter's listener arrives though every system call waits for it") {
  for (const bool no_new_privs : {true, false}) {
    const Root root;
    LaunchPlan plan = asking_plan(root);
    plan.process.no_new_privs = no_new_privs;
    Launched launched = Launched::begin(plan, {0, 1, 2});
    std::jthread agent;
    launched.start([&](Fd listener) {
      agent = std::jthread([taken = std::move(listener)] { allow_everything(taken); });
    });
    CHECK(WEXITSTATUS(sys::wait_pidfd(launched.pidfd()) | or_throw("wait")) == 9);
  }
}

TEST_CASE("a listener that nobody takes is an error, and the process does not outlive it") {
  const Root root;
  Fd pidfd;
  {
    Launched launched = Launched::begin(asking_plan(root), {0, 1, 2});
    pidfd = sys::dup(launched.pidfd()) | or_throw("dup");
    CHECK_THROWS_AS(launched.start(), LaunchError);
  }
  CHECK_FALSE(sys::pidfd_send_signal(pidfd.get(), 0));
}

TEST_CASE("without no_new_privs the right to load the filter is gone when the program runs") {
  const Root root;
  const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  LaunchPlan plan = plan_for(root, {"grep", "-E", "Cap(Prm|Eff)|Seccomp:", "/proc/self/status"});
  plan.process.seccomp.resize(sizeof allow);
  std::memcpy(plan.process.seccomp.data(), &allow, sizeof allow);
  plan.process.no_new_privs = false;
  plan.process.capabilities = 1;  // CAP_CHOWN
  CHECK(run(plan).output == "CapPrm:\t0000000000000001\nCapEff:\t0000000000000001\nSeccomp:\t2\n");
}
