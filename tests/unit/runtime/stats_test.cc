// The document of `events` from the texts of a cgroup's files.
#include "sandbox/runtime/stats.h"

#include <doctest/doctest.h>

#include <map>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

nlohmann::ordered_json document(const std::map<std::string, std::string>& files) {
  const auto text = [&](const std::string& file) { return files.contains(file) ? files.at(file) : std::string(); };
  return stats_document("box", text)["data"];
}

}  // namespace

TEST_CASE("the kernel's figures come in the units and names of cgroup v1") {
  const auto data = document(
      {{"cpu.stat", "usage_usec 12\nuser_usec 7\nsystem_usec 5\nnr_periods 3\nnr_throttled 2\nthrottled_usec 9\n"},
       {"memory.current", "1000\n"},
       {"memory.max", "4000\n"},
       {"memory.peak", "3000\n"},
       {"memory.swap.current", "50\n"},
       {"memory.swap.max", "500\n"},
       {"memory.stat", "anon 600\nfile 300\nkernel 100\n"},
       {"memory.events", "low 0\nmax 4\noom_kill 1\n"},
       {"pids.current", "2\n"},
       {"pids.max", "9\n"},
       {"io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:16 rbytes=7\n"},
       {"hugetlb.2MB.current", "4096\n"},
       {"hugetlb.2MB.events", "max 8\n"}});
  CHECK(data["cpu"]["usage"] == nlohmann::ordered_json{{"total", 12000}, {"kernel", 5000}, {"user", 7000}});
  CHECK(data["cpu"]["throttling"]["throttledTime"] == 9000);
  CHECK(data["memory"]["cache"] == 300);
  CHECK(data["memory"]["usage"] ==
        nlohmann::ordered_json{{"limit", 4000}, {"usage", 1000}, {"max", 3000}, {"failcnt", 4}});
  CHECK(data["memory"]["swap"]["limit"] == 4500);
  CHECK(data["memory"]["swap"]["usage"] == 1050);
  CHECK(data["memory"]["raw"] == nlohmann::ordered_json{{"anon", 600}, {"file", 300}, {"kernel", 100}});
  CHECK(data["pids"] == nlohmann::ordered_json{{"current", 2}, {"limit", 9}});
  CHECK(data["blkio"]["ioServiceBytesRecursive"].size() == 4);
  CHECK(data["blkio"]["ioServiceBytesRecursive"][3] ==
        nlohmann::ordered_json{{"major", 254}, {"minor", 16}, {"op", "Read"}, {"value", 7}});
  CHECK(data["hugetlb"]["2MB"] == nlohmann::ordered_json{{"usage", 4096}, {"failcnt", 8}});
}

TEST_CASE("no limit is the largest number for memory and none for processes; what is not counted is 0") {
  const auto data = document({{"memory.max", "max\n"}, {"pids.max", "max\n"}});
  CHECK(data["memory"]["usage"]["limit"] == UINT64_MAX);
  CHECK(data["memory"]["swap"]["limit"] == UINT64_MAX);
  CHECK(data["pids"]["limit"] == 0);
  CHECK(data["cpu"]["usage"]["total"] == 0);
  CHECK(data["blkio"].empty());
}

TEST_CASE("intervals are Go's durations") {
  CHECK(parse_interval("500ms") == 500);
  CHECK(parse_interval("5s") == 5000);
  CHECK(parse_interval("1m30s") == 90'000);
  CHECK(parse_interval("4000000000h") == 24 * 3'600'000);
  for (const char* word : {"", "5", "0s", "s", "-5s", "5x", "99999999999s"}) {
    CAPTURE(word);
    CHECK_THROWS_AS(parse_interval(word), UsageError);
  }
}
