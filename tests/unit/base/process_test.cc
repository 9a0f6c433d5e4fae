#include "sandbox/base/process.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include "sandbox/base/error.h"

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

TEST_CASE("a process has a start time while it lives, and others' pids never pass for it") {
  CHECK(process_start_time(::getpid()) > 0);
  CHECK(process_start_time(0) == 0);
  CHECK(process_start_time(1 << 22) == 0);  // beyond pid_max (proc_sys_kernel(5))
}

}  // namespace
}  // namespace sandbox
