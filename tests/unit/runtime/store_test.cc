#include "sandbox/runtime/store.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/process.h"
#include "sandbox/runtime/lifecycle.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

struct Place {
  std::string path = "/tmp/sbx-runtime-" + random_hex(12);
  Store store{path};
  ~Place() { remove_tree(path); }
};

Record record_of(const std::string& id) {
  return {.id = id,
          .oci_version = "1.0.0",
          .bundle = "/b",
          .rootfs = "/b/r",
          .created = timestamp(),
          .annotations = {{"a", "b"}}};
}

}  // namespace

TEST_CASE("a record is read back as it was written") {
  Place place;
  place.store.create("c");
  place.store.write(record_of("c"));
  const Record read = place.store.load("c");
  CHECK(read.bundle == "/b");
  CHECK(read.annotations.at("a") == "b");
  CHECK(place.store.ids() == std::vector<std::string>{"c"});
  CHECK_THROWS_AS(place.store.create("c"), Conflict);
  place.store.remove("c");
  CHECK_THROWS_AS((void)place.store.load("c"), NotFound);
}

TEST_CASE("a record of a newer program is refused with that reason") {
  Place place;
  place.store.create("c");
  place.store.write(record_of("c"));
  const std::string path = place.path + "/c/state.json";
  std::string text = read_file(path);
  const std::string version = "\"version\":";
  text.insert(text.find(version) + version.size(), "9");
  write_file_atomic(path, text, false);
  CHECK_THROWS_WITH_AS((void)place.store.load("c"), doctest::Contains("of a newer sandbox"), InvalidInput);
}

TEST_CASE("a container whose creator has died has stopped; while it lives it is being created") {
  Place place;
  place.store.create("c");
  Record record = record_of("c");
  record.creator = ::getpid();
  record.creator_start = process_start_time(::getpid());
  CHECK(status_of(place.store, record) == Status::creating);
  record.creator_start += 1;
  CHECK(status_of(place.store, record) == Status::stopped);
}

TEST_CASE("a process with the recorded number that began at another time is not the container's") {
  Place place;
  place.store.create("c");
  Record record = record_of("c");
  record.pid = ::getpid();
  record.pid_start = process_start_time(::getpid());
  CHECK(status_of(place.store, record) == Status::running);
  const Fd gate = make_gate(place.store, "c");
  CHECK(status_of(place.store, record) == Status::created);
  record.pid_start += 1;
  CHECK(status_of(place.store, record) == Status::stopped);
  CHECK_THROWS_AS((void)open_process(record), Conflict);
}

TEST_CASE("a state directory that others can write to is refused") {
  Place place;
  place.store.create("c");
  place.store.write(record_of("c"));
  REQUIRE(::chmod(place.path.c_str(), 0777) == 0);
  CHECK_THROWS_AS((void)place.store.load("c"), Error);
  CHECK_THROWS_AS(place.store.create("d"), Error);
}

TEST_CASE("ids are file names of one word") {
  for (const char* good : {"a", "A.b-c_d+9", "...", "-x"}) CHECK_NOTHROW(check_id(good));
  for (const char* bad : {"", ".", "..", "a/b", "a b", "a\n", "ü"}) CHECK_THROWS_AS(check_id(bad), InvalidInput);
  CHECK_THROWS_AS(check_id(std::string(256, 'a')), InvalidInput);
}

TEST_CASE("signals by number, by name, and of real time") {
  CHECK(parse_signal_word("9") == 9);
  CHECK(parse_signal_word("KILL") == 9);
  CHECK(parse_signal_word("sigterm") == 15);
  CHECK(parse_signal_word("0") == 0);
  CHECK(parse_signal_word("RTMIN+3") == SIGRTMIN + 3);
  CHECK(parse_signal_word("SIGRTMAX-1") == SIGRTMAX - 1);
  for (const char* bad : {"", "NO", "-1", "65", "1x", "RTMIN+99", "RTMIN+", "RTMIN+-1"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS((void)parse_signal_word(bad), InvalidInput);
  }
}
