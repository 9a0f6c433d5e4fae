#include "fuse-overlay/store/owner_record.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sandbox/base/sys.h"
#include "tests/unit/overlay_store/layer_fixture.h"

using namespace sandbox;
using namespace sandbox::overlay;

namespace {

/// An upper directory with the file of owners beside it.
class Upper : public testing::LayerFixture {
 public:
  Upper() {
    make_directories(path("upper"));
    directory_ = sys::openat(AT_FDCWD, path("upper").c_str(), O_RDONLY | O_DIRECTORY) | or_throw("upper");
  }
  Fd owner_file() const {
    return sys::openat(AT_FDCWD, path(kOwnerFile).c_str(), O_RDWR | O_APPEND | O_CREAT, 0600) | or_throw("owners");
  }
  void link(const char* name) const { REQUIRE(::symlinkat("/nowhere", directory_.get(), name) == 0); }
  void record(const char* name, const OwnerRecord& record) const {
    const Fd fd = owner_file();
    OwnerFile(fd.get()).record(status(name), record);
  }
  struct statx status(const char* name) const {
    return sys::statx(directory_.get(), name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME) |
           or_throw("status");
  }
  std::optional<OwnerRecord> found(const char* name) const {
    return RecordedOwners(path("upper")).find(directory_.get(), name);
  }
  int directory() const { return directory_.get(); }

 private:
  Fd directory_;
};

constexpr OwnerRecord kLink{.uid = 33, .gid = 34, .mode = S_IFLNK | 0777};

}  // namespace

TEST_CASE("records have the format of containers/storage") {
  const std::pair<OwnerRecord, const char*> pairs[] = {
      {{1000, 1011, S_IFREG | 0644}, "1000:1011:0644:file"},
      {{0, 4294967294, S_IFDIR | 02755}, "0:4294967294:02755:dir"},
      {kLink, "33:34:0777:symlink"},
      {{1, 2, S_IFIFO | 0666}, "1:2:0666:pipe"},
      {{1, 2, S_IFSOCK | 0700}, "1:2:0700:socket"},
      {{1006, 1017, S_IFCHR | 0600, 1, 3}, "1006:1017:0600:char-1-3"},
      {{0, 6, S_IFBLK | 0660, 259, 1048575}, "0:6:0660:block-259-1048575"},
      {{7, 8, 0}, "7:8:00"},
  };
  for (const auto& [record, text] : pairs) {
    CHECK(format_owner_record(record) == text);
    CHECK(parse_owner_record(text) == record);
  }
  CHECK(parse_owner_record("0:0:0100755") == OwnerRecord{0, 0, S_IFREG | 0755});
  CHECK(parse_owner_record("5:6:755") == OwnerRecord{5, 6, 0755});
}

TEST_CASE("what is no record is none") {
  for (const char* text : {"", ":", "1", "1:2", "1:2:", "1:2:9", "-1:2:0644", "1:4294967296:0644", "1:2:0644:door",
                           "1:2:0644:char", "1:2:0644:char-", "1:2:0644:char-1", "1:2:0644:char-1-2-3",
                           "1:2:0644:block-1-x", " 1:2:0644", "1:2:0777777", "1:2:0644:file:file"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_owner_record(text));
  }
}

TEST_CASE_FIXTURE(Upper, "files and directories have their record as an attribute") {
  make_directories(path("upper/d"));
  write_file_atomic(path("upper/f"), "x", false);
  CHECK_FALSE(found("d"));
  for (const char* name : {"d", "f"}) {
    REQUIRE(::setxattr(path(std::string("upper/") + name).c_str(), kOwnerAttribute, "33:34:0644:file", 15, 0) == 0);
    CHECK(found(name)->gid == 34);
  }
}

TEST_CASE_FIXTURE(Upper, "links have their record in the file beside it, under whatever name") {
  link("a");
  link("b");
  CHECK_FALSE(found("a"));
  record("a", kLink);
  REQUIRE(::renameat(directory(), "a", directory(), "c") == 0);
  CHECK(found("c") == kLink);
  CHECK_FALSE(found("b"));
  OwnerRecord later = kLink;
  later.uid = 7;
  record("c", later);
  CHECK(found("c") == later);
}

TEST_CASE_FIXTURE(Upper, "an object that gets a dead one's inode number does not inherit its record") {
  link("a");
  record("a", kLink);
  struct statx reborn = status("a");
  reborn.stx_btime.tv_nsec ^= 1;
  const Fd fd = owner_file();
  CHECK(OwnerFile(fd.get()).find(status("a")) == kLink);
  CHECK_FALSE(OwnerFile(fd.get()).find(reborn));
}

TEST_CASE_FIXTURE(Upper, "a file of owners with rubbish and a torn last line keeps its good lines") {
  link("a");
  const Fd fd = owner_file();
  const std::string rubbish = "x\n\n1 2\n1 2 3:4\n" + std::string(100'000, 'y') + "\n";
  sys::write_all(fd.get(), rubbish.data(), rubbish.size()) | or_throw("rubbish");
  record("a", kLink);
  sys::write_all(fd.get(), "17 99 1:2:07", 12) | or_throw("torn");
  CHECK(found("a") == kLink);
}

TEST_CASE("owners of umoci and PRoot are read, and nothing else is") {
  using namespace std::string_view_literals;
  CHECK(parse_rootless_owner("\x08\x21\x10\x22"sv) == RootlessOwner{33, 34});
  CHECK(parse_rootless_owner("\x10\x07"sv) == RootlessOwner{0, 7});
  CHECK(parse_rootless_owner(""sv) == RootlessOwner{});
  CHECK(parse_rootless_owner("\x1a\x02xx\x08\xfe\xff\xff\xff\x0f"sv) == RootlessOwner{4294967294, 0});
  for (const auto text : {"\x08"sv, "\x08\xff"sv, "\x08\xff\xff\xff\xff\x1f"sv, "\x0a\x01x"sv, "\x1a\x05x"sv,
                          "\x00\x01"sv, "\x0b"sv, "33:34:0644"sv}) {
    CHECK_FALSE(parse_rootless_owner(text));
  }
}
