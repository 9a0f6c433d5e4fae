// What the kernel's words about use come to.
#include "sandbox/engine/statistics.h"

#include <doctest/doctest.h>

#include <string>

#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

TEST_CASE("bytes of disks and networks are summed") {
  Usage usage;
  add_io("8:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n259:0 rbytes=1 wbytes=2 rios=1 wios=1\n", usage);
  CHECK(usage.read == 101);
  CHECK(usage.written == 22);
  add_network("Inter-|   Receive   |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n"
              "    lo:  7 1 0 0 0 0 0 0  7 1 0 0 0 0 0 0\n"
              "  eth0:1000 5 0 0 0 0 0 0 200 4 0 0 0 0 0 0\n  eth1: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n",
              usage);
  CHECK(usage.received == 1001);
  CHECK(usage.sent == 202);
}

TEST_CASE("a process tells its time, memory and threads, whatever its name") {
  Usage usage;
  const std::string stat =
      "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 30 20 5 5 20 0 3 0 12345 1000000 25 18446744073709551615 1 1 0\n";
  add_process(stat, 100, 4096, usage);
  add_process(stat, 100, 4096, usage);
  CHECK(usage.cpu == std::chrono::milliseconds(1200));
  CHECK(usage.processes == 6);
  CHECK(usage.memory == 2 * 25 * 4096);
  for (const char* torn : {"", "42", "42 (a)", "42 (a) S 1 2 3"}) add_process(torn, 100, 4096, usage);
  CHECK(usage.processes == 6);
}

TEST_CASE("one processor's whole time is a hundred percent") {
  const Usage before;
  Usage after;
  after.at = before.at + std::chrono::seconds(2);
  after.cpu = std::chrono::seconds(3);
  CHECK(cpu_percent(before, after) == 150);
  CHECK(cpu_percent(after, before) == 0);
  CHECK(cpu_percent(before, before) == 0);
}

TEST_CASE("memory is told with base 1024") {
  CHECK(binary_size(0) == "0B");
  CHECK(binary_size(1023) == "1023B");
  CHECK(binary_size(1536) == "1.5KiB");
  CHECK(binary_size(2'043'674'624) == "1.903GiB");
}

}  // namespace
}  // namespace sandbox::engine
