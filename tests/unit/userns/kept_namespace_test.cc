// The kept namespace for real. A user without a range sees that there is none; one with a range gets all of it.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "userns/kept_namespace.h"

using namespace sandbox;
using namespace sandbox::userns;

namespace {

struct Runtime {
  Runtime() { make_directories(path); }
  ~Runtime() {
    try {
      const Json record = parse_json(read_file(path + "/userns.json"), "record");
      ::kill(record.at("pid").get<int>(), SIGKILL);
    } catch (const Error&) {
      // none was parked
    }
    remove_tree_of_all_ids(path);
  }
  std::string path = "/tmp/sbx-kept-" + random_hex(12);
};

ino_t inode_of(const Fd& fd) {
  const auto status = sys::fstat(fd.get()) | or_throw("namespace");
  return status.st_ino;
}

}  // namespace

TEST_CASE("a namespace with the whole range is made once, found again, and made anew when its keeper is gone") {
  const SubordinateIds ids = read_subordinate_ids();
  if (!ids.complete()) return;  // tests/support/require.sh sees to it that one of the two test users has a range
  const Runtime runtime;
  const KeptNamespace first = keep_namespace(runtime.path, ids);
  CHECK(ids_from_zero(first.uid_map) == 1 + ids.uids[0].count);
  KeptNamespace second = keep_namespace(runtime.path, ids);
  CHECK(inode_of(first.user_ns) == inode_of(second.user_ns));
  // This test's own file belongs to the user, so the keeper will execute a sealed copy, and there is one for all.
  for (int tries = 0; !second.program && tries < 500; ++tries) {
    ::usleep(10'000);
    second = keep_namespace(runtime.path, ids);
  }
  REQUIRE(second.program);
  CHECK(inode_of(first.program) == inode_of(second.program));
  CHECK(::fcntl(second.program.get(), F_ADD_SEALS, F_SEAL_WRITE) < 0);

  const Json record = parse_json(read_file(runtime.path + "/userns.json"), "record");
  const pid_t keeper = record.at("pid").get<pid_t>();
  ::kill(keeper, SIGKILL);
  REQUIRE(::waitpid(keeper, nullptr, 0) == keeper);
  const KeptNamespace third = keep_namespace(runtime.path, ids);
  CHECK(inode_of(third.user_ns) != inode_of(first.user_ns));
}

TEST_CASE("work in the namespace gives files to subordinate ids, and only there they can be removed") {
  const SubordinateIds ids = read_subordinate_ids();
  if (!ids.complete()) return;
  const Runtime runtime;
  const KeptNamespace kept = keep_namespace(runtime.path, ids);
  const std::string directory = runtime.path + "/theirs", file = directory + "/file";
  run_in_namespace(kept.user_ns.get(), [&] {
    make_directories(directory);
    write_file_atomic(file, "x", false);
    sys::fchownat(AT_FDCWD, directory.c_str(), 33, 33, 0) | or_throw("giving it away");
  });
  const auto status = sys::fstatat(AT_FDCWD, directory.c_str(), 0) | or_throw("looking");
  CHECK(status.st_uid == ids.uids[0].first + 32);
  CHECK_THROWS_AS(remove_tree(directory), SysError);
  remove_tree_of_all_ids(directory);
  CHECK_FALSE(path_exists(directory));
}

TEST_CASE("an error in the namespace comes back with its hint") {
  const SubordinateIds ids = read_subordinate_ids();
  if (!ids.complete()) return;
  const Runtime runtime;
  const KeptNamespace kept = keep_namespace(runtime.path, ids);
  try {
    run_in_namespace(kept.user_ns.get(), [] { throw Conflict("no way", "go round"); });
    FAIL("no error came");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "no way");
    CHECK(error.hint() == "go round");
  }
}

TEST_CASE("a program of another build is not taken from the keeper, but the namespace is") {
  const SubordinateIds ids = read_subordinate_ids();
  if (!ids.complete()) return;
  const Runtime runtime;
  const KeptNamespace first = keep_namespace(runtime.path, ids);
  Json record = parse_json(read_file(runtime.path + "/userns.json"), "record");
  record["program"] = "another";
  write_file_atomic(runtime.path + "/userns.json", record.dump(), false);
  const KeptNamespace second = keep_namespace(runtime.path, ids);
  CHECK(inode_of(first.user_ns) == inode_of(second.user_ns));
  CHECK_FALSE(second.program);
}

TEST_CASE("a record that names a stranger's process is not followed") {
  const SubordinateIds ids = read_subordinate_ids();
  if (!ids.complete()) return;
  const Runtime runtime;
  const KeptNamespace kept = keep_namespace(runtime.path, ids);
  Json record = parse_json(read_file(runtime.path + "/userns.json"), "record");
  const int keeper = record.at("pid").get<int>();
  record["pid"] = ::getpid();
  write_file_atomic(runtime.path + "/userns.json", record.dump(), false);
  const KeptNamespace other = keep_namespace(runtime.path, ids);
  CHECK(inode_of(other.user_ns) != inode_of(kept.user_ns));
  ::kill(keeper, SIGKILL);
}
