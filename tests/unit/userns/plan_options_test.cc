// Parts of a launch plan that only some callers use: each is seen by the container's program.
#include <doctest/doctest.h>
#include <linux/mount.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>

#include "tests/unit/userns/busybox_root.h"

using namespace sandbox;
using namespace sandbox::userns;

namespace {

std::string failure_of(const LaunchPlan& plan) {
  try {
    run(plan);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

/// A gate and a connection to it, as `create` and `start` of a runtime make them.
struct Gate {
  explicit Gate(const std::string& path) {
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    listening = Fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listening.get(), place(), sizeof address) == 0);
    REQUIRE(::listen(listening.get(), 1) == 0);
  }
  Fd connect() const {
    Fd connection(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(connection.get(), place(), sizeof address) == 0);
    return connection;
  }
  const sockaddr* place() const { return static_cast<const sockaddr*>(static_cast<const void*>(&address)); }

  sockaddr_un address{};
  Fd listening;
};

}  // namespace

TEST_CASE("a detached process waits at its gate, ignores a caller that dies there, and starts with the next one") {
  const Root root;
  const Gate gate(root.path() + "/gate");
  LaunchPlan plan = plan_for(root, {"sh", "-c", "exit 5"});
  plan.process.detached = true;
  Launched launched = Launched::begin(plan, {0, 1, 2, {}, gate.listening.get()});
  launched.detach();
  gate.connect().reset();
  start_through(gate.connect().get());
  CHECK(WEXITSTATUS(sys::wait_pidfd(launched.pidfd()) | or_throw("wait")) == 5);
}

TEST_CASE("a process that is to be detached reports a missing program before it waits") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"nonesuch"});
  plan.process.detached = true;
  CHECK_THROWS_AS((void)Launched::begin(plan, {0, 1, 2}), LaunchError);
  plan.process.argv = {"/etc"};
  CHECK_THROWS_AS((void)Launched::begin(plan, {0, 1, 2}), LaunchError);
}

TEST_CASE("all five sets of capabilities, for another user than root too") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"grep", "-E", "Cap", "/proc/self/status"});
  plan.identity.uid_map = {{7, ::getuid(), 1}};
  plan.process.uid = 7;
  plan.process.capabilities = 0b1111;
  plan.process.capability_sets = {.permitted = 0b111, .effective = 0b1, .inheritable = 0b110, .ambient = 0b100};
  CHECK(run(plan).output ==
        "CapInh:\t0000000000000006\nCapPrm:\t0000000000000004\nCapEff:\t0000000000000004\n"
        "CapBnd:\t000000000000000f\nCapAmb:\t0000000000000004\n");  // after execve(2): P'(ambient) is what is left
}

TEST_CASE("the umask and the OOM score adjustment are the plan's") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"sh", "-c", "umask; cat /proc/self/oom_score_adj"});
  plan.process.umask = 027;
  plan.process.oom_score_adj = 500;
  CHECK(run(plan).output == "0027\n500\n");
}

TEST_CASE("a less likely victim of the OOM killer than the caller is refused with a hint") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"true"});
  plan.process.oom_score_adj = -1000;
  CHECK(failure_of(plan) == "setting the OOM score adjustment to -1000: Permission denied");
}

TEST_CASE("kernel parameters of the container's own network namespace are set, others are refused by the kernel") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"cat", "/proc/sys/net/ipv4/ip_forward"});
  plan.sysctls = {{"net.ipv4.ip_forward", "1"}};
  CHECK(run(plan).output == "1\n");
  plan.sysctls = {{"kernel.core_pattern", "|/x"}};
  CHECK(failure_of(plan) == "setting the kernel parameter 'kernel.core_pattern' to '|/x': Permission denied");
  plan.sysctls = {{"../self/comm", "x"}};
  CHECK(failure_of(plan).find("setting the kernel parameter") == 0);
}

TEST_CASE("the domain name is the plan's") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"cat", "/proc/sys/kernel/domainname"});
  plan.domainname = "example.test";
  CHECK(run(plan).output == "example.test\n");
}

TEST_CASE("a read-only tmpfs on /dev has its devices") {
  const Root root;
  LaunchPlan plan =
      plan_for(root, {"sh", "-c", "echo x > /dev/null && echo null; touch /dev/new 2> /dev/null || echo closed"});
  plan.mounts[1].own.set = MOUNT_ATTR_RDONLY;
  CHECK(run(plan).output == "null\nclosed\n");
}

TEST_CASE("a tmpfs without a mode has that of the directory below it") {
  const Root root;
  std::filesystem::permissions(root.fs() + "/etc", std::filesystem::perms{0751});
  LaunchPlan plan = plan_for(root, {"stat", "-c", "%a", "/etc"});
  plan.mounts.push_back({.kind = MountKind::tmpfs, .target = "/etc"});
  CHECK(run(plan).output == "751\n");
}

TEST_CASE("without a tmpfs on /dev the devices are put into the root's own, where a link can't catch them") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"sh", "-c", "echo x > /dev/null && echo null"});
  plan.mounts.resize(1);
  plan.root.lower.clear();
  plan.root.directory = root.fs();
  CHECK(run(plan).output == "null\n");
  CHECK(run(plan).output == "null\n");  // onto what the first time has left
  std::filesystem::remove(root.fs() + "/dev/null");
  std::ofstream(root.path() + "/canary") << "untouched";
  std::filesystem::create_symlink(root.path() + "/canary", root.fs() + "/dev/null");
  CHECK(failure_of(plan) == "'/dev/null' of the image is in the way of a device");
  CHECK(read_file(root.path() + "/canary") == "untouched");
}

TEST_CASE("a device of the host appears where the plan says; one of another number is refused") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"sh", "-c", "test -c /dev/null && echo device"});
  plan.mounts.resize(1);
  plan.populate_dev = false;
  plan.devices = {{.path = "/dev/null", .major = 1, .minor = 3}};
  CHECK(run(plan).output == "device\n");
  plan.devices = {{.path = "/dev/null", .major = 1, .minor = 5}};
  CHECK(failure_of(plan) == "'/dev/null' of the host is not the device 1:5");
}

TEST_CASE("a bind mount's own attributes, and those of its tree") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"grep", "/mnt", "/proc/self/mountinfo"});
  MountOp op{.source = root.path() + "/upper", .target = "/mnt", .no_suid = false, .no_dev = false};
  op.own.set = MOUNT_ATTR_NOEXEC;
  op.tree.set = MOUNT_ATTR_NOSYMFOLLOW;
  plan.mounts.push_back(op);
  const std::string line = run(plan).output;
  CHECK(line.find("noexec") != std::string::npos);
  CHECK(line.find("nosymfollow") != std::string::npos);
}

TEST_CASE("a file system of any kernel type can be asked for, and an unknown one is named") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"grep", "-c", "ramfs", "/proc/self/mounts"});
  plan.mounts.push_back({.kind = MountKind::other, .type = "ramfs", .source = "ramfs", .target = "/tmp"});
  CHECK(run(plan).output == "1\n");
  plan.mounts.back().type = "nonesuchfs";
  CHECK(failure_of(plan) == "mounting nonesuchfs on '/tmp': No such device");
}

TEST_CASE("a container joins the network namespace of another") {
  const Root root;
  LaunchPlan first = plan_for(root, {"sh", "-c", "read line"});
  first.sysctls = {{"net.ipv4.ip_forward", "1"}};
  sys::Pair input = sys::pipe() | or_throw("pipe");
  Launched owner = Launched::begin(first, {input.first.get(), 1, 2});
  owner.start();
  // The namespaces belong to the first container's user namespace, so this one is joined, too.
  const std::string ns = fmt::format("/proc/{}/ns/", owner.pid());
  LaunchPlan plan = plan_for(root, {"cat", "/proc/sys/net/ipv4/ip_forward"});
  plan.namespaces.user = plan.namespaces.network = false;
  plan.namespaces.joined = {{NamespaceKind::network, ns + "net"}, {NamespaceKind::user, ns + "user"}};
  CHECK(run(plan).output == "1\n");
  plan.namespaces.joined[0].path = ns + "uts";
  CHECK(failure_of(plan) == fmt::format("'{}uts' is not a network namespace", ns));
  plan.namespaces.joined[0].path = "/dev/zero";
  CHECK(failure_of(plan) == "'/dev/zero' is not a network namespace");
  input.second.reset();
  (void)(sys::wait_pidfd(owner.pidfd()) | or_throw("wait"));
}

TEST_CASE("a container shares the processes and a mount of another, and none of those can trace it before it runs") {
  const Root root;
  LaunchPlan first = plan_for(root, {"sh", "-c", "echo shared >/dev/shm/word; echo ready; read line"});
  first.mounts.push_back({.kind = MountKind::tmpfs, .source = "shm", .target = "/dev/shm"});
  sys::Pair input = sys::pipe() | or_throw("pipe"), output = sys::pipe() | or_throw("pipe");
  Launched owner = Launched::begin(first, {input.first.get(), output.second.get(), 2});
  owner.start();
  char ready[6];
  REQUIRE((sys::read(output.first.get(), ready, sizeof ready) | or_throw("read")) == sizeof ready);
  const std::string ns = fmt::format("/proc/{}/ns/", owner.pid());
  LaunchPlan plan = plan_for(root, {"sh", "-c", "cat /dev/shm/word; cat /proc/1/comm"});
  plan.namespaces.user = plan.namespaces.pid = false;
  plan.namespaces.joined = {{NamespaceKind::pid, ns + "pid"}, {NamespaceKind::user, ns + "user"}};
  plan.process.oom_score_adj = 500;
  plan.mounts.push_back({.source = "/dev/shm", .mounts_of = ns + "mnt", .target = "/dev/shm"});
  LaunchHooks hooks;
  std::string files;
  hooks.before_root = [&](pid_t pid) {
    files = sys::openat(AT_FDCWD, fmt::format("/proc/{}/ns/mnt", pid).c_str(), O_RDONLY).error().message();
  };
  CHECK(run(plan).output == "shared\nsh\n");
  (void)Launched::begin(plan, {0, 1, 2}, hooks);
  CHECK(files == "Permission denied");
  plan.mounts.back().source = "/nonesuch";
  CHECK(failure_of(plan) == "bind source '/nonesuch' of another container: No such file or directory");
  plan.mounts.back().mounts_of = "/proc/self/ns/mnt";
  CHECK(failure_of(plan) == "'/proc/self/ns/mnt' is nobody else's mount namespace");
  input.second.reset();
  (void)(sys::wait_pidfd(owner.pidfd()) | or_throw("wait"));
}

TEST_CASE("descriptors that are passed on arrive in their order, and only these") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"sh", "-c", "cat <&3; cat <&4; ls /proc/self/fd | wc -l"});
  std::ofstream(root.path() + "/one") << "first\n";
  std::ofstream(root.path() + "/other") << "second\n";
  sys::Pair pipe = sys::pipe() | or_throw("pipe");
  const Fd other = sys::openat(AT_FDCWD, (root.path() + "/other").c_str(), O_RDONLY) | or_throw("other");
  const Fd one = sys::openat(AT_FDCWD, (root.path() + "/one").c_str(), O_RDONLY) | or_throw("one");
  Launched launched = Launched::begin(plan, {0, pipe.second.get(), 2, {one.get(), other.get()}});
  launched.start();
  pipe.second.reset();
  (void)(sys::wait_pidfd(launched.pidfd()) | or_throw("wait"));
  char buffer[64] = {};
  (void)(sys::read(pipe.first.get(), buffer, sizeof buffer) | or_throw("read"));
  CHECK(std::string(buffer) == "first\nsecond\n6\n");  // 0 to 4, and that of ls itself
}
