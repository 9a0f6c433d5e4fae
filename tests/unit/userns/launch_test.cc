// Real containers of a static busybox, made by the calling ordinary user without any range of ids.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/unit/userns/busybox_root.h"

using namespace sandbox;
using namespace sandbox::userns;

TEST_CASE("a container's program sees itself as root and pid 1, with its own host name") {
  const Root root;
  const Outcome outcome = run(plan_for(root, {"sh", "-c", "id -u; echo $$; hostname"}));
  CHECK(outcome.output == "0\n1\nbag\n");
  CHECK(outcome.status == 0);
}

TEST_CASE("the exit status arrives, and a signal's too") {
  const Root root;
  CHECK(WEXITSTATUS(run(plan_for(root, {"sh", "-c", "exit 42"})).status) == 42);
  LaunchPlan killed = plan_for(root, {"sh", "-c", "kill -9 $$"});
  killed.process.init = true;
  CHECK(WEXITSTATUS(run(killed).status) == 137);
}

TEST_CASE("only descriptors 0, 1 and 2 are open inside, whatever the parent holds") {
  const Root root;
  std::vector<Fd> held;
  for (int i = 0; i < 50; ++i) held.emplace_back(::open("/", O_RDONLY));
  const Outcome outcome = run(plan_for(root, {"sh", "-c", "for f in /proc/self/fd/*; do echo ${f##*/}; done"}));
  // The shell's own directory handle of the glob is gone when the loop runs.
  CHECK(outcome.output.find("0\n1\n2\n") == 0);
  CHECK(outcome.output.size() <= 8);
}

TEST_CASE("what a container writes goes to the upper layer and leaves the lower as it was") {
  const Root root;
  CHECK(run(plan_for(root, {"sh", "-c", "echo changed > /etc/new; rm /bin/ls"})).status == 0);
  CHECK(path_exists(root.path() + "/upper/etc/new"));
  CHECK_FALSE(path_exists(root.fs() + "/etc/new"));
  CHECK(path_exists(root.fs() + "/bin/ls"));
}

TEST_CASE("a read-only root refuses writes") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"sh", "-c", "touch /etc/x 2>/dev/null && echo written || echo refused"});
  plan.root.read_only = true;
  CHECK(run(plan).output == "refused\n");
}

TEST_CASE("capabilities: the inheritable set is empty and the bounding set is the plan's") {
  const Root root;
  LaunchPlan plan = plan_for(root, {"grep", "-E", "Cap(Inh|Eff|Bnd|Amb)|NoNewPrivs", "/proc/self/status"});
  plan.process.capabilities = 1;  // CAP_CHOWN
  const Outcome outcome = run(plan);
  CHECK(outcome.output ==
        "CapInh:\t0000000000000000\nCapEff:\t0000000000000001\nCapBnd:\t0000000000000001\n"
        "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
}

TEST_CASE("a missing command gives 127, one that is not executable or a directory 126") {
  const Root root;
  CHECK(exit_code_of_failure(plan_for(root, {"nonesuch"})) == 127);
  CHECK(exit_code_of_failure(plan_for(root, {"/etc"})) == 126);
  std::ofstream(root.fs() + "/etc/plain") << "text";
  CHECK(exit_code_of_failure(plan_for(root, {"/etc/plain"})) == 126);
}

TEST_CASE("the program's own file can't be executed through /proc/self/exe") {
  const Root root;
  CHECK(exit_code_of_failure(plan_for(root, {"/proc/self/exe"})) == 126);
}

TEST_CASE("an image's /dev that is a symbolic link never leads outside") {
  const Root root;
  const std::string canary = root.path() + "/canary";
  std::filesystem::create_directories(canary);
  std::filesystem::remove(root.fs() + "/dev");
  std::filesystem::create_symlink(canary, root.fs() + "/dev");
  CHECK(exit_code_of_failure(plan_for(root, {"sh", "-c", "true"})) == 125);
  CHECK(std::filesystem::is_empty(canary));
}

TEST_CASE("a working directory in an image that links outside stays inside") {
  const Root root;
  const std::string canary = root.path() + "/canary";
  std::filesystem::create_directories(canary);
  std::filesystem::create_symlink(canary, root.fs() + "/w");
  LaunchPlan plan = plan_for(root, {"sh", "-c", "true"});
  plan.process.cwd = "/w/new";
  (void)exit_code_of_failure(plan);
  CHECK(std::filesystem::is_empty(canary));
}

TEST_CASE("a leaked descriptor can't be used as working directory") {
  const Root root;
  for (int number = 3; number < 12; ++number) {
    LaunchPlan plan = plan_for(root, {"sh", "-c", "true"});
    plan.process.cwd = "/proc/self/fd/" + std::to_string(number);
    CHECK(exit_code_of_failure(plan) == 125);
  }
}

TEST_CASE("a second process joins the running container") {
  const Root root;
  sys::Pair pipe = sys::pipe() | or_throw("pipe");
  const Fd null = sys::openat(AT_FDCWD, "/dev/null", O_RDWR) | or_throw("null");
  LaunchPlan plan = plan_for(root, {"sh", "-c", "read line; exit 3"});
  sys::Pair input = sys::pipe() | or_throw("pipe");
  Launched container = Launched::begin(plan, {input.first.get(), null.get(), null.get()});
  container.start();
  ProcessPlan process = plan.process;
  process.argv = {"sh", "-c", "hostname; id -u; exit 7"};
  Launched joined = join(container.pidfd(), process, {null.get(), pipe.second.get(), null.get()});
  joined.start();
  CHECK(WEXITSTATUS(sys::wait_pidfd(joined.pidfd()) | or_throw("wait")) == 7);
  char buffer[64] = {};
  (void)(sys::read(pipe.first.get(), buffer, sizeof buffer) | or_throw("read"));
  CHECK(std::string(buffer) == "bag\n0\n");
  input.second.reset();
  CHECK(WEXITSTATUS(sys::wait_pidfd(container.pidfd()) | or_throw("wait")) == 3);
}
