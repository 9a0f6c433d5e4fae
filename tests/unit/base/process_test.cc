#include "sandbox/base/process.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

TEST_CASE("a child's answer arrives whole, and what it does to itself stays with it") {
  int value = 1;
  const std::string answer = ask_child([&] {
    value = 2;
    return std::string(1U << 20, 'x');
  });
  CHECK(answer == std::string(1U << 20, 'x'));
  CHECK(value == 1);
  CHECK(ask_child([] { return std::string(); }).empty());
}

TEST_CASE("a child that dies is an error") {
  CHECK_THROWS_AS(ask_child([]() -> std::string {
                    ::raise(SIGKILL);
                    return {};
                  }),
                  Error);
}

TEST_CASE("a child's exception is an error with its message and hint") {
  try {
    ask_child([]() -> std::string { throw Conflict("no room", "make some"); });
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.what() == std::string("no room"));
    CHECK(error.hint() == "make some");
  }
}

TEST_CASE("a process that a signal has stopped is told from one that runs") {
  const sys::Cloned child = sys::clone3(0) | or_throw("starting a child");
  if (child.pid == 0) {
    for (;;) ::pause();
  }
  CHECK_FALSE(is_process_stopped(child.pid));
  sys::pidfd_send_signal(child.pidfd.get(), SIGSTOP) | or_throw("stopping a child");
  int status = 0;
  REQUIRE(::waitpid(child.pid, &status, WUNTRACED) == child.pid);
  CHECK(is_process_stopped(child.pid));
  sys::pidfd_send_signal(child.pidfd.get(), SIGKILL) | or_throw("ending a child");
  CHECK(sys::wait_pidfd(child.pidfd.get()).value_or(0) == SIGKILL);
  CHECK_FALSE(is_process_stopped(child.pid));
}

TEST_CASE("a process has a start time while it lives, and others' pids never pass for it") {
  CHECK(process_start_time(::getpid()) > 0);
  CHECK(process_start_time(0) == 0);
  CHECK(process_start_time(1 << 22) == 0);  // beyond pid_max (proc_sys_kernel(5))
}

}  // namespace
}  // namespace sandbox
