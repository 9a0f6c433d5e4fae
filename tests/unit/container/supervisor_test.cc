// The supervisor with real containers: a static busybox in a directory tree, as an ordinary user.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/log_file.h"
#include "sandbox/container/protocol.h"
#include "sandbox/container/supervisor.h"
#include "temporary_places.h"

using namespace sandbox;
using namespace sandbox::container;

namespace {

struct Fixture : TemporaryPlaces {
  Fixture() : store(places) {
    const std::string bin = root + "/root/bin";
    make_directories(bin);
    make_directories(root + "/root/proc");
    std::filesystem::copy_file("/bin/busybox", bin + "/busybox");
    for (const char* name : {"sh", "sleep", "cat", "echo", "head", "yes"}) {
      std::filesystem::create_symlink("busybox", bin + "/" + name);
    }
  }

  Spec spec(const std::string& script) const {
    Spec spec;
    spec.name = "test";
    spec.plan.identity.uid_map = {{0, ::getuid(), 1}};
    spec.plan.identity.gid_map = {{0, ::getgid(), 1}};
    spec.plan.root.directory = root + "/root";
    spec.plan.mounts.push_back({.kind = userns::MountKind::proc, .target = "/proc"});
    spec.plan.process.argv = {"sh", "-c", script};
    spec.plan.process.env = {"PATH=/bin"};
    return spec;
  }

  ContainerStore store;
};

struct Outcome {
  int code = -1;
  std::string out, err;
};

/// Attaches in a child with files for streams, as the command line would.
Outcome attached(Fd supervisor, const AttachOptions& options, const std::string& dir, const std::string& input = "") {
  write_file_atomic(dir + "/in", input);
  const pid_t child = ::fork();
  if (child == 0) {
    int number = 0;
    for (const char* name : {"/in", "/out", "/err"}) {
      const int fd = ::open((dir + name).c_str(), number == 0 ? O_RDONLY : O_RDWR | O_CREAT | O_TRUNC, 0600);
      ::dup2(fd, number++);
    }
    int code = 99;
    try {
      code = attach(std::move(supervisor), options);
    } catch (const StartFailure& failure) {
      (void)!::write(2, failure.what(), std::string(failure.what()).size());
      code = failure.exit_code();
    } catch (const std::exception& error) {
      (void)!::write(2, error.what(), std::string(error.what()).size());
    }
    ::_exit(code);
  }
  supervisor.reset();
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WEXITSTATUS(status), read_file(dir + "/out", 64U << 20), read_file(dir + "/err")};
}

}  // namespace

TEST_CASE("output, error output and the exit code of a container arrive, and its log and state remain") {
  Fixture fixture;
  const Container container = fixture.store.create(fixture.spec("echo out; echo err >&2; exit 7"));
  const Outcome outcome = attached(spawn_supervisor(fixture.places, container), {}, fixture.root);
  CHECK(outcome.code == 7);
  CHECK(outcome.out == "out\n");
  CHECK(outcome.err == "err\n");
  const Container after = fixture.store.find("test");
  CHECK(after.state.status == Status::exited);
  CHECK(after.state.exit_code == 7);
  std::string logged;
  read_log(log_path(after), {}, [&](const LogRecord& record) { logged += record.text; });
  CHECK(logged.size() == 8);
  CHECK_THROWS_AS(connect_supervisor(fixture.places, after), Conflict);
}

TEST_CASE("a command that is not there is a start failure with 127, and --rm removes the container") {
  Fixture fixture;
  Spec spec = fixture.spec("");
  spec.plan.process.argv = {"nothing-here"};
  spec.auto_remove = true;
  const Container container = fixture.store.create(spec);
  const Outcome outcome = attached(spawn_supervisor(fixture.places, container), {}, fixture.root);
  CHECK(outcome.code == 127);
  CHECK(outcome.err.find("nothing-here") != std::string::npos);
  CHECK(fixture.store.list().empty());
}

TEST_CASE("standard input reaches the container and its end as well") {
  Fixture fixture;
  Spec spec = fixture.spec("cat");
  spec.open_stdin = true;
  const Container container = fixture.store.create(spec);
  const std::string input(3U << 20, 'i');
  const Outcome outcome =
      attached(spawn_supervisor(fixture.places, container), {.forward_stdin = true}, fixture.root, input);
  CHECK(outcome.code == 0);
  CHECK(outcome.out == input);
  CHECK(outcome.err == "");
}

TEST_CASE("output of many times the buffers' size arrives whole") {
  Fixture fixture;
  const Container container = fixture.store.create(fixture.spec("yes | head -c 8000000; echo end"));
  const Outcome outcome = attached(spawn_supervisor(fixture.places, container), {}, fixture.root);
  CHECK(outcome.code == 0);
  CHECK(outcome.out.size() == 8000004);
  CHECK(outcome.out.ends_with("y\nend\n"));
}

TEST_CASE("a detached container goes on, runs further processes, and ends by a signal with 128 + n") {
  Fixture fixture;
  const Container container = fixture.store.create(fixture.spec("trap 'exit 3' TERM; while :; do sleep 0.05; done"));
  wait_started(spawn_supervisor(fixture.places, container));
  const Container running = fixture.store.find("test");
  REQUIRE(running.state.status == Status::running);
  CHECK_THROWS_AS(fixture.store.remove(running), Conflict);

  Fd connection = connect_supervisor(fixture.places, running);
  ExecRequest request;
  request.process.argv = {"sh", "-c", "cat; echo e >&2; exit 5"};
  request.process.env = {"PATH=/bin"};
  request.open_stdin = true;
  request_exec(connection.get(), request);
  const Outcome exec = attached(std::move(connection), {.forward_stdin = true}, fixture.root, "hello");
  CHECK(exec.code == 5);
  CHECK(exec.out == "hello");
  CHECK(exec.err == "e\n");

  Fd waiting = connect_supervisor(fixture.places, running);
  request_signal(connect_supervisor(fixture.places, running).get(), SIGTERM);
  CHECK(wait_exit(std::move(waiting)) == 3);
  CHECK(fixture.store.find("test").state.exit_code == 3);
}

TEST_CASE("a process that is asked for between two runs of the container is refused, and the container goes on") {
  Fixture fixture;
  Spec spec = fixture.spec("exit 1");
  spec.restart.when = RestartWhen::always;
  const Container container = fixture.store.create(spec);
  wait_started(spawn_supervisor(fixture.places, container));
  Container between = fixture.store.find("test");
  // Pauses double: the fourth is longer than a second.
  while (between.state.status != Status::restarting || between.state.restart_count < 4) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    between = fixture.store.find("test");
  }
  Fd connection = connect_supervisor(fixture.places, between);
  ExecRequest request;
  request.process.argv = {"true"};
  request_exec(connection.get(), request);
  const Outcome exec = attached(std::move(connection), {}, fixture.root);
  CHECK(exec.code == 126);
  CHECK(exec.err.find("is restarting") != std::string::npos);
  Fd waiting = connect_supervisor(fixture.places, fixture.store.find("test"));
  request_signal(connect_supervisor(fixture.places, fixture.store.find("test")).get(), SIGTERM);
  CHECK(wait_exit(std::move(waiting)) == 1);
}

TEST_CASE("the status of a container that ends before a process has started in it is not that of the process") {
  Fixture fixture;
  for (const bool awaits_start : {false, true}) {
    auto [here, there] = sys::socketpair(SOCK_STREAM) | or_throw("making sockets");
    send_frame(there.get(), FrameType::exit_status, "\3");
    const Outcome exec = attached(std::move(here), {.awaits_start = awaits_start}, fixture.root);
    CHECK(exec.code == (awaits_start ? 99 : 3));
    CHECK(exec.err == (awaits_start ? "the container has just ended" : ""));
  }
}

TEST_CASE("a killed container ends with 137 and --rm removes it before its client hears of it") {
  Fixture fixture;
  Spec spec = fixture.spec("sleep 1000");
  spec.auto_remove = true;
  const Container container = fixture.store.create(spec);
  wait_started(spawn_supervisor(fixture.places, container));
  const Container running = fixture.store.find("test");
  Fd connection = connect_supervisor(fixture.places, running);
  request_signal(connection.get(), SIGKILL);
  CHECK(wait_exit(std::move(connection)) == 137);
  CHECK(fixture.store.list().empty());
}

int main(int argc, char** argv) {
  try {
    if (argc == 6 && std::string(argv[1]) == "helper" && std::string(argv[2]) == "supervisor") {
      return supervisor_main(find_places(), argv[3], Fd(std::atoi(argv[4])));
    }
    return doctest::Context(argc, argv).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 125;
  }
}
