// On a real file system, whose only id is this user's, as in a container of one id.
#include "sandbox/ownership/owners.h"

#include <doctest/doctest.h>
#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "tests/support/temporary_directory.h"

using namespace sandbox;
using namespace sandbox::ownership;

namespace {

constexpr Id kOther = 7, kAnother = 8;

class Tree {
 public:
  Tree() {
    REQUIRE(::chdir("/proc") == 0);  // as the helper does before it looks at an object
    directory = open(".");
    write_file_atomic(path + "/f", "x", false);
    REQUIRE(::symlink("f", (path + "/l").c_str()) == 0);
    file = sys::openat(AT_FDCWD, (path + "/owners").c_str(), O_RDWR | O_APPEND | O_CREAT, 0600) | or_throw("owners");
  }

  Fd open(const std::string& name) const {
    return sys::openat(AT_FDCWD, (path + "/" + name).c_str(), O_PATH | O_NOFOLLOW) | or_throw("open");
  }
  Owners owners(bool recorded = true) const {
    Owners::Settings settings{.uid = ::getuid(), .gid = ::getgid(), .mounts = {}, .upper = {}, .file = {}};
    const struct statx status = sys::statx(directory.get(), "", AT_EMPTY_PATH, STATX_MNT_ID) | or_throw("mount");
    if (recorded) settings.mounts.insert(status.stx_mnt_id);
    settings.file = sys::dup(file.get()) | or_throw("dup");
    return Owners(std::move(settings));
  }
  std::string record(const std::string& name) const {
    char text[128];
    const ssize_t size = ::lgetxattr((path + "/" + name).c_str(), overlay::kOwnerAttribute, text, sizeof text);
    return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
  }

  testing::TemporaryDirectory top{"/var/tmp"};
  const std::string& path = top.path();
  Fd directory, file;
};

const Credentials kRoot{};

}  // namespace

TEST_CASE_FIXTURE(Tree, "what changes is recorded, and the rest stays as it was") {
  Owners all = owners();
  const Fd object = open("f");
  CHECK(all.change(object.get(), kSame, kSame, kRoot, true) == 0);
  CHECK(record("f").empty());
  CHECK(all.change(object.get(), kOther, kSame, kRoot, true) == 0);
  CHECK(record("f") == fmt::format("{}:{}:0600:file", kOther, ::getgid()));
  CHECK(all.change(object.get(), kSame, kAnother, kRoot, true) == 0);
  CHECK(record("f") == fmt::format("{}:{}:0600:file", kOther, kAnother));
}

TEST_CASE_FIXTURE(Tree, "set-ID bits go with the owner, as chown(2) has it") {
  REQUIRE(::chmod((path + "/f").c_str(), 06755) == 0);
  CHECK(owners().change(open("f").get(), kOther, kSame, kRoot, true) == 0);
  CHECK((sys::fstatat(AT_FDCWD, (path + "/f").c_str(), 0)->st_mode & 07777) == 0755);
}

TEST_CASE_FIXTURE(Tree, "a link's owner is recorded beside it, and found again by the next helper") {
  const Fd link = open("l");
  const Credentials owner{{kOther, kOther, kOther, kOther}, {kAnother, kAnother, kAnother, kAnother}, {9}};
  CHECK(owners().change(link.get(), kSame, 9, owner, false) == EPERM);
  CHECK(owners().change(link.get(), kOther, kAnother, kRoot, true) == 0);
  CHECK(record("l").empty());
  CHECK(owners().change(link.get(), kSame, 9, owner, false) == 0);
  CHECK(owners().change(link.get(), kSame, 10, owner, false) == EPERM);
}

TEST_CASE_FIXTURE(Tree, "on a mount of the host's nothing is recorded") {
  CHECK(owners(false).change(open("f").get(), kOther, kOther, kRoot, true) == 0);
  CHECK(record("f").empty());
  CHECK(owners(false).make_device(directory.get(), "d", S_IFCHR | 0600, makedev(1, 3), kRoot) == EPERM);
}

TEST_CASE_FIXTURE(Tree, "what the user may not change is refused") {
  const Fd strange = sys::openat(AT_FDCWD, "/etc/passwd", O_PATH) | or_throw("open");
  CHECK(owners().change(strange.get(), kOther, kSame, kRoot, true) == EPERM);
}

TEST_CASE_FIXTURE(Tree, "a device is an empty file with a record, of whom has made it") {
  Owners all = owners();
  CHECK(all.make_device(directory.get(), "null", S_IFCHR | 0640, makedev(1, 3), kRoot) == 0);
  CHECK(record("null") == "0:0:0640:char-1-3");
  CHECK(all.change(open("null").get(), kOther, kAnother, kRoot, true) == 0);
  CHECK(record("null") == "7:8:0640:char-1-3");
  CHECK(all.make_device(directory.get(), "null", S_IFCHR | 0640, makedev(1, 3), kRoot) == EEXIST);
  CHECK(all.make_device(directory.get(), "l", S_IFCHR | 0640, makedev(1, 3), kRoot) == EEXIST);
  CHECK(all.make_device(directory.get(), "whiteout", S_IFCHR | 0600, 0, kRoot) == EPERM);
}
