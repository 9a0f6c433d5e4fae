// With a real mount namespace, as an ordinary user.
#include "sandbox/container/own_processes.h"

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

using namespace sandbox;
using namespace sandbox::container;

TEST_CASE("what is left of a container ends with it, also where no file can be opened any more") {
  std::optional<OwnProcesses> own(std::in_place);
  const pid_t left = ::fork();
  if (left == 0) {
    if (!sys::unshare(CLONE_NEWUSER | CLONE_NEWNS)) ::_exit(1);  // those of our own namespace are not meant
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    own->introduce();
    for (;;) ::pause();
  }
  own->recognize();
  rlimit64 before{};
  REQUIRE(sys::prlimit(0, RLIMIT_NOFILE, nullptr, &before));
  const rlimit64 none{1, before.rlim_max};  // poll(2) wants as many as it is asked for
  REQUIRE(sys::prlimit(0, RLIMIT_NOFILE, &none, nullptr));
  own.reset();
  REQUIRE(sys::prlimit(0, RLIMIT_NOFILE, &before, nullptr));
  int status = 0;
  REQUIRE(::waitpid(left, &status, 0) == left);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
}
