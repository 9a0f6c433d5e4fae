// What `doctor` says of machines that we made up.
#include "sandbox/engine/ladders.h"

#include <doctest/doctest.h>
#include <errno.h>

#include <algorithm>

namespace sandbox::engine {
namespace {

HostFacts everything_works() {
  HostFacts facts;
  facts.executable = "/home/ann/.local/bin/sandbox";
  facts.ids = 65537;
  facts.resources = {"systemd user scope", {"cpu", "memory", "pids"}, {}, {}};
  facts.runtime = "/run/user/1000/sandbox";
  facts.session_runtime = "/run/user/1000";
  return facts;
}

std::string told(const HostFacts& facts) { return render_ladders(judge_ladders(facts)); }

bool can_run(const HostFacts& facts) { return std::ranges::all_of(judge_ladders(facts), &Ladder::usable); }

void tells(const HostFacts& facts, std::string_view text) {
  const std::string all = told(facts);
  CAPTURE(all);
  CHECK(all.find(text) != std::string::npos);
}

void forbid_namespaces(HostFacts& facts, int error) {
  const Trial failed{error, "making a user namespace: refused"};
  facts.user_namespace = facts.proc = facts.overlay = facts.fuse = facts.tap = facts.veth = failed;
}

TEST_CASE("where everything works, there is a line per ladder and nothing to fix") {
  CHECK(told(everything_works()) ==
        "[ok]   user namespaces: one's own\n"
        "[ok]   identities: a range of 65537 ids\n"
        "[ok]   root file system: kernel overlayfs\n"
        "[ok]   processes: its own /proc\n"
        "[ok]   private network: tap\n"
        "[ok]   resource limits: systemd user scope (cpu memory pids)\n"
        "[ok]   runtime directory: /run/user/1000/sandbox\n");
  CHECK(can_run(everything_works()));
}

TEST_CASE("a lower rung is named with the reason and the fix of the one above it") {
  HostFacts facts = everything_works();
  facts.overlay = {EINVAL, "mounting overlayfs in '/nfs/ann': Invalid argument"};
  tells(facts,
        "[low]  root file system: FUSE\n"
        "         not kernel overlayfs: mounting overlayfs in '/nfs/ann': Invalid argument\n"
        "         fix: a store on ext4, xfs or btrfs: export SANDBOX_STORE_DIR=DIRECTORY\n"
        "[ok]   processes: its own /proc\n");
  facts.tap = {EACCES, "opening '/dev/net/tun': Permission denied"};
  tells(facts,
        "[low]  private network: veth pair\n         not tap: opening '/dev/net/tun': Permission denied\n"
        "         fix: let users open the tun device: as root, chmod 0666 /dev/net/tun\n");
  facts.range_reason = "no range";
  facts.range_fix = "as root: usermod";
  tells(facts,
        "[low]  identities: one id, the caller's\n         not a range of ids: no range\n         fix: as root: "
        "usermod\n");
  facts.notifies = true;
  tells(facts, "[low]  identities: one id, the caller's; owners are recorded\n");
  CHECK(can_run(facts));
}

TEST_CASE("the fix depends on the error") {
  HostFacts facts = everything_works();
  facts.overlay = {ENODEV, "x"};
  tells(facts, "fix: as root: modprobe overlay\n");
  facts.overlay = {EPERM, "x"};
  tells(facts, "Linux 5.11 or newer");
  facts.fuse = {ENOENT, "opening '/dev/fuse': No such file or directory"};
  tells(facts, "fix: as root: modprobe fuse; ls -l /dev/fuse\n");
  facts.fuse = {EACCES, "opening '/dev/fuse': Permission denied"};
  tells(facts, "fix: as root: chmod 666 /dev/fuse\n");
}

TEST_CASE("a needed ladder without a rung fails, and limits are not needed") {
  HostFacts facts = everything_works();
  facts.overlay = facts.fuse = {EPERM, "x"};
  tells(facts, "[FAIL] root file system: none; no image can run\n");
  CHECK_FALSE(can_run(facts));
  facts = everything_works();
  facts.tap = facts.veth = {EPERM, "x"};
  tells(facts, "[FAIL] private network: none; use --network none or --network host\n");
  CHECK_FALSE(can_run(facts));
  facts = everything_works();
  facts.resources = {"none", {}, "no cgroup v2 is mounted here", "mount it"};
  tells(facts,
        "[no]   resource limits: none; options that set a limit are refused\n"
        "         not all limits: no cgroup v2 is mounted here\n         fix: mount it\n");
  CHECK(can_run(facts));
}

TEST_CASE("some controllers are better than none") {
  HostFacts facts = everything_works();
  facts.resources = {
      "delegated cgroup", {"pids"}, "the delegated cgroup has not got the controllers: memory", "enable them"};
  tells(facts, "[low]  resource limits: delegated cgroup (pids)\n         not all limits: the delegated cgroup");
}

TEST_CASE("without user namespaces the kernel's own settings tell the fix, and the other ladders point to it") {
  HostFacts facts = everything_works();
  forbid_namespaces(facts, EPERM);
  tells(facts, "fix: have whatever this runs in (a service, or a container: --security-opt seccomp=unconfined) permit "
        "unshare(CLONE_NEWUSER)\n");
  tells(facts, "not FUSE: making a user namespace: refused\n         fix: see user namespaces\n");
  facts.max_user_namespaces = 15000;
  facts.unprivileged_userns_clone = 0;
  tells(facts, "fix: as root: sysctl -w kernel.unprivileged_userns_clone=1\n");
  facts.max_user_namespaces = 0;
  tells(facts,
        "fix: as root: sysctl -w user.max_user_namespaces=15000; sysctl -w kernel.unprivileged_userns_clone=1\n");
  facts = everything_works();
  forbid_namespaces(facts, EACCES);
  facts.apparmor_restrict_unprivileged_userns = 1;
  tells(facts,
        "fix: as root: printf 'abi <abi/4.0>,\\nprofile sandbox /home/ann/.local/bin/sandbox flags=(unconfined) "
        "{ userns, }\\n' >/etc/apparmor.d/sandbox && apparmor_parser -r /etc/apparmor.d/sandbox\n");
  CHECK_FALSE(can_run(facts));
}

TEST_CASE("a runtime directory outside the session is a lower rung, unless it was chosen") {
  HostFacts facts = everything_works();
  facts.runtime = "/tmp/sandbox-1000";
  tells(facts,
        "[low]  runtime directory: /tmp/sandbox-1000\n"
        "         not the session's: XDG_RUNTIME_DIR '/run/user/1000' is not a private directory of yours\n");
  facts.session_runtime.reset();
  tells(facts, "not the session's: XDG_RUNTIME_DIR is not set\n");
  facts.runtime_chosen = true;
  tells(facts, "[ok]   runtime directory: /tmp/sandbox-1000\n");
}

}  // namespace
}  // namespace sandbox::engine
