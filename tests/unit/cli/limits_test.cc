// Docker's words for limits, and what is made of them on machines that grant more or less.
#include "sandbox/engine/limits.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"

namespace sandbox::engine {
namespace {

constexpr unsigned processors = 4;

TEST_CASE("limits are read as Docker reads them") {
  RunRequest request;
  request.memory = "50m";
  request.memory_swap = "-1";
  request.memory_reservation = "8m";
  request.cpus = "0.5";
  request.cpu_shares = "512";
  request.cpuset_cpus = "0-2,3";
  request.cpuset_mems = "0";
  request.pids_limit = "20";
  const cgroup::Limits limits = parse_limits(request, processors);
  CHECK(limits == cgroup::Limits{.memory = 50U << 20,
                                 .memory_swap = -1,
                                 .memory_reservation = 8U << 20,
                                 .nano_cpus = 500'000'000,
                                 .cpu_shares = 512,
                                 .cpuset_cpus = "0-2,3",
                                 .cpuset_mems = "0",
                                 .pids = 20});
}

TEST_CASE("limits of disks are read as Docker reads them") {
  using enum cgroup::BlockLimit;
  RunRequest request;
  request.blkio_weight = "300";
  request.blkio_weight_devices = {"/dev/sda:10", "/dev/sdb:0"};
  request.device_read_bps = {"/dev/sda:1mb", "/dev/sdb:512"};
  request.device_write_iops = {"/dev/sda:100"};
  const cgroup::Limits limits = parse_limits(request, processors);
  CHECK(limits.block_weight == 300);
  CHECK(limits.disks == std::vector<cgroup::DiskLimit>{{weight, "/dev/sda", 0, 0, 10},
                                                       {read_bps, "/dev/sda", 0, 0, 1U << 20},
                                                       {read_bps, "/dev/sdb", 0, 0, 512},
                                                       {write_iops, "/dev/sda", 0, 0, 100}});
  struct Row {
    std::vector<std::string> RunRequest::*field;
    const char *value, *message;
  };
  const Row rows[] = {
      {&RunRequest::device_read_bps, "/dev/sda", "\"--device-read-bps\" flag: bad format: /dev/sda"},
      {&RunRequest::device_read_bps, "sda:1", "bad format for device path: sda:1"},
      {&RunRequest::device_write_bps, "/dev/sda:much", "Unit is optional and can be kb, mb, or gb"},
      {&RunRequest::device_read_iops, "/dev/sda:1mb", "invalid rate for device: /dev/sda:1mb. The correct format is"},
      {&RunRequest::device_write_iops, "/dev/sda:-1", "Number must be a positive integer"},
      {&RunRequest::blkio_weight_devices, "/dev/sda:5", "invalid weight for device: /dev/sda:5"},
  };
  for (const Row& row : rows) {
    RunRequest wrong;
    wrong.*row.field = {row.value};
    CHECK_THROWS_WITH_AS(parse_limits(wrong, processors), doctest::Contains(row.message), UsageError);
  }
}

TEST_CASE("zero, and -1 processes, mean no limit") {
  RunRequest request;
  request.memory = "0";
  request.cpus = "0";
  request.pids_limit = "-1";
  CHECK(parse_limits(request, processors) == cgroup::Limits{});
}

TEST_CASE("what Docker refuses is refused") {
  struct Row {
    std::string RunRequest::*field;
    const char* value;
  };
  const Row rows[] = {
      {&RunRequest::memory, "1"},
      {&RunRequest::memory, "5m"},
      {&RunRequest::memory, "lots"},
      {&RunRequest::memory_swap, "60m"},
      {&RunRequest::memory_reservation, "1m"},
      {&RunRequest::cpus, "5"},
      {&RunRequest::cpus, "0.001"},
      {&RunRequest::cpus, "-1"},
      {&RunRequest::cpus, "nan"},
      {&RunRequest::cpus, "half"},
      {&RunRequest::cpu_shares, "1"},
      {&RunRequest::cpu_shares, "300000"},
      {&RunRequest::cpuset_cpus, "a"},
      {&RunRequest::cpuset_cpus, "2-1"},
      {&RunRequest::cpuset_cpus, "0,"},
      {&RunRequest::cpuset_mems, "0 1"},
      {&RunRequest::pids_limit, "many"},
      {&RunRequest::blkio_weight, "9"},
      {&RunRequest::blkio_weight, "1001"},
      {&RunRequest::blkio_weight, "heavy"},
  };
  for (const Row& row : rows) {
    RunRequest request;
    request.*row.field = row.value;
    CAPTURE(row.value);
    CHECK_THROWS_AS(parse_limits(request, processors), UsageError);
  }
  RunRequest request;
  request.memory = "50m";
  request.memory_swap = "40m";
  CHECK_THROWS_AS(parse_limits(request, processors), UsageError);
  request.memory_swap.clear();
  request.memory_reservation = "60m";
  CHECK_THROWS_AS(parse_limits(request, processors), UsageError);
}

TEST_CASE("a limit that can't be applied is an error, or with best effort a warning that names it") {
  const cgroup::Limits limits{.memory = 64U << 20, .pids = 9};
  cgroup::Surroundings found;
  found.layout = cgroup::Layout::unified;
  found.directory = "/c";
  found.writable = true;
  found.controllers = {"pids"};
  CHECK_THROWS_AS(grant_limits(limits, found, false), Unsupported);
  const GrantedLimits granted = grant_limits(limits, found, true);
  CHECK(granted.limits == cgroup::Limits{.pids = 9});
  REQUIRE(granted.warnings.size() == 1);
  CHECK(granted.warnings[0].find("--memory") != std::string::npos);
  found.controllers.emplace_back("memory");
  CHECK(grant_limits(limits, found, false).limits == limits);
}

}  // namespace
}  // namespace sandbox::engine
