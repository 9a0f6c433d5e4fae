// What an honest archive leaves on disk and in the records.
#include <doctest/doctest.h>

#include <cstdio>
#include "sandbox/base/digest.h"

#include "tests/unit/overlay_store/layer_fixture.h"

using namespace sandbox;
using namespace sandbox::testing;

TEST_CASE("whiteouts hide lower layers only, and opaque marks directories") {
  const LayerFixture f;
  f.apply(TarWriter().file(".wh.gone", "").file("stays", "x").file(".wh.stays", "").file("o/.wh..wh..opq", "")
              .file(".wh.d", "").file("d/f", "y").finish());
  CHECK(f.is_whiteout("gone"));
  CHECK(f.read("stays") == "x");
  CHECK(f.xattr("o", "user.overlay.opaque") == "y");
  CHECK(f.read("d/f") == "y");
  CHECK(f.xattr("d", "user.overlay.opaque") == "y");
}

TEST_CASE("owners, special modes and devices are recorded; the user keeps access") {
  const LayerFixture f;
  const auto a = f.apply(TarWriter().add({.name = "su", .mode = 04755}).add({.name = "no", .mode = 0})
      .add({.name = "u", .uid = 5, .gid = 6}).add({.name = "dev", .type = '3', .major = 1, .minor = 3})
      .add({.name = "fifo", .type = '6'}).file("plain", "abc").hard_link("hard", "plain").finish());
  CHECK(a.owners["su"] == Json::array({0, 0, 04755}));
  CHECK((f.status("su").st_mode & 07777) == 0755);
  CHECK((f.status("no").st_mode & 07777) == 0600);
  CHECK(a.owners["u"] == Json::array({5, 6, 0644}));
  CHECK(a.owners["dev"][3]["rdev"] == Json::array({1, 3}));
  CHECK(!f.exists("dev"));
  CHECK(!a.owners.contains("plain"));
  CHECK(S_ISFIFO(f.status("fifo").st_mode));
  CHECK(f.status("hard").st_ino == f.status("plain").st_ino);
  CHECK(f.status("plain").st_mtim.tv_sec == 1'000'000'000);
}

TEST_CASE("plain, gzip and zstd archives of a real tree give the digest of the plain tar") {
  const LayerFixture f;
  const std::string tar = f.scratch + "/t.tar";
  REQUIRE(std::system(
              ("tar -C /usr/share/doc -cf " + tar + " tar bash && gzip -k " + tar + " && zstd -qk " + tar).c_str()) ==
          0);
  const std::string wanted = sha256_digest(read_file(tar, 64U << 20));
  for (const char* suffix : {"", ".gz", ".zst"}) {
    const LayerFixture g;
    CAPTURE(suffix);
    CHECK(g.apply(read_file(tar + suffix, 64U << 20)).diff_id == wanted);
    CHECK(std::system(("diff -r --no-dereference /usr/share/doc/bash " + g.path("bash")).c_str()) == 0);
  }
}

TEST_CASE("files of the directory that an archive is of are moved, and look as if they had been written") {
  const LayerFixture plain, moved;
  const std::string upper = moved.scratch + "/upper";
  for (const char* name : {"/etc", "/bin"}) make_directories(upper + name);
  write_file_atomic(upper + "/etc/file", "content", false);
  write_file_atomic(upper + "/bin/run", "#!/bin/sh", false);
  write_file_atomic(upper + "/etc/other", "another size", false);
  std::filesystem::create_symlink(moved.canary(), upper + "/link");
  REQUIRE(::setxattr((upper + "/etc/file").c_str(), "user.overlay.origin", "x", 1, 0) == 0);
  REQUIRE(::setxattr((upper + "/etc/file").c_str(), "user.left", "over", 4, 0) == 0);
  std::filesystem::permissions(upper + "/etc/file", std::filesystem::perms::owner_read);
  const auto inode = [&](const std::string& path) {
    return (sys::fstatat(AT_FDCWD, path.c_str(), 0) | or_throw("'{}'", path)).st_ino;
  };
  const ino_t file = inode(upper + "/etc/file"), other = inode(upper + "/etc/other");
  const std::string archive = TarWriter()
                                  .directory("etc/")
                                  .add({.name = "etc/file", .content = "content", .mode = 0640})
                                  .file("etc/other", "its own")
                                  .add({.name = "bin/run", .content = "#!/bin/sh", .mode = 04755})
                                  .file("link/file", "alive")
                                  .finish();
  const overlay::AppliedLayer first = plain.apply(archive);
  const Fd content = sys::openat(AT_FDCWD, upper.c_str(), O_PATH | O_DIRECTORY) | or_throw("upper");
  const overlay::AppliedLayer second = moved.apply(archive, {.content = content.get()});
  CHECK(moved.status("etc/file").st_ino == file);
  CHECK(moved.status("etc/other").st_ino != other);
  CHECK(moved.xattr("etc/file", "user.left").empty());
  CHECK(moved.xattr("etc/file", "user.overlay.origin").empty());
  CHECK(read_file(moved.canary() + "/file") == "alive");
  for (const char* name : {"etc/file", "etc/other", "bin/run", "link/file"}) {
    CAPTURE(name);
    CHECK(moved.read(name) == plain.read(name));
    CHECK(moved.status(name).st_mode == plain.status(name).st_mode);
    CHECK(moved.status(name).st_mtim.tv_sec == plain.status(name).st_mtim.tv_sec);
  }
  CHECK(first.owners == second.owners);
  CHECK(first.diff_id == second.diff_id);
  CHECK(first.bytes == second.bytes);
}
