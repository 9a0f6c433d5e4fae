#include "sandbox/base/process_table.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/error.h"

using namespace sandbox;

TEST_CASE("of ps's table the rows of the wanted processes are kept, whatever column has the number") {
  const std::string table = "UID   PID  CMD\nroot    1  init 7\nann     7  cat 1\nann    17  sh\n";
  CHECK(only_processes(table, {7, 17}) == "UID   PID  CMD\nann     7  cat 1\nann    17  sh\n");
  CHECK(only_processes(table, {}) == "UID   PID  CMD\n");
  CHECK(only_processes("CMD PID\ninit 1\n", {1}) == "CMD PID\ninit 1\n");
}

TEST_CASE("a table without the column PID is refused") {
  CHECK_THROWS_AS(only_processes("PPID CMD\n1 init\n", {1}), InvalidInput);
  CHECK_THROWS_AS(only_processes("", {1}), InvalidInput);
}

TEST_CASE("processes beside this one are of its pid namespace") {
  const auto found = processes_beside(::getpid());
  CHECK(std::ranges::is_sorted(found));
  CHECK(std::ranges::binary_search(found, ::getpid()));
  CHECK(processes_beside(0).empty());
}

TEST_CASE("processes below one are itself and what descends from it") {
  const auto found = processes_below(::getppid());
  CHECK(std::ranges::is_sorted(found));
  CHECK(std::ranges::binary_search(found, ::getppid()));
  CHECK(std::ranges::binary_search(found, ::getpid()));
  CHECK(processes_below(::getpid()) == std::vector<int>{::getpid()});
}
