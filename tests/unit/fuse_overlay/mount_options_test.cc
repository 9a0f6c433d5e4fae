#include "fuse-overlay/mount_options.h"

#include <doctest/doctest.h>
#include <linux/mount.h>

#include "sandbox/base/error.h"

using namespace sandbox;
using overlay::parse_mount_options;

namespace {

std::string refusal(std::string_view text) {
  try {
    (void)parse_mount_options(text);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("mount options name the directories of a merge, and what holds for the mount") {
  const auto options = parse_mount_options("lowerdir=a:/b/c,upperdir=u,workdir=w,nosuid,noexec,exec,noatime,volatile");
  CHECK(options.server.lower == std::vector<std::string>{"a", "/b/c"});
  CHECK(options.server.upper == "u");
  CHECK(options.server.work == "w");
  CHECK_FALSE(options.server.squash);
  CHECK_FALSE(options.server.lower_may_change);
  CHECK_FALSE(options.server.whiteout_files);
  CHECK(parse_mount_options("lowerdir=a,whiteout_files").server.whiteout_files);
  CHECK(options.attributes == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME));
}

TEST_CASE("of several modes of access times the last one counts") {
  const std::string_view writable = "lowerdir=a,upperdir=u,workdir=w";
  CHECK(parse_mount_options(fmt::format("{},noatime,strictatime", writable)).attributes == MOUNT_ATTR_STRICTATIME);
  CHECK(parse_mount_options(fmt::format("{},noatime,relatime", writable)).attributes == 0);
}

TEST_CASE("a merge without an upper directory is read-only") {
  CHECK(parse_mount_options("rw,lowerdir=a").attributes == MOUNT_ATTR_RDONLY);
  CHECK(parse_mount_options("ro,lowerdir=a,upperdir=u,workdir=w").attributes == MOUNT_ATTR_RDONLY);
  CHECK(parse_mount_options("ro,rw,lowerdir=a,upperdir=u,workdir=w").attributes == 0);
}

TEST_CASE("a backslash makes separators part of a name") {
  const auto options =
      parse_mount_options(R"(lowerdir=with\:colon:with\,comma:back\\slash\\:\d,upperdir=u\:\,=,workdir=w)");
  CHECK(options.server.lower == std::vector<std::string>{"with:colon", "with,comma", "back\\slash\\", "d"});
  CHECK(options.server.upper == "u:,=");
}

TEST_CASE("everything is shown as one user's and group's") {
  CHECK(parse_mount_options("lowerdir=a,squash_to_root").server.squash->uid == 0);
  const auto options = parse_mount_options("squash_to_uid=1000,squash_to_gid=4294967294,lowerdir=a");
  REQUIRE(options.server.squash);
  CHECK(options.server.squash->uid == 1000);
  CHECK(options.server.squash->gid == 4294967294U);
}

TEST_CASE("mount options that are incomplete or unknown are refused") {
  CHECK(refusal("") == "mount option lowerdir is missing");
  CHECK(refusal("lowerdir=") == "mount option lowerdir: a directory has no name");
  CHECK(refusal("lowerdir=a::b") == "mount option lowerdir: a directory has no name");
  CHECK(refusal("lowerdir=a,upperdir=u") == "mount options upperdir and workdir need each other");
  CHECK(refusal("lowerdir=a,workdir=w") == "mount options upperdir and workdir need each other");
  CHECK(refusal("lowerdir=a,redirect_dir=on") == "unknown mount option: 'redirect_dir=on'");
  CHECK(refusal("lowerdir=a,nosuid=1") == "unknown mount option: 'nosuid=1'");
  CHECK(refusal("lowerdir=a,squash_to_uid=-1") == "mount option squash_to_uid: '-1' is no id");
  CHECK(refusal("lowerdir=a,squash_to_gid=") == "mount option squash_to_gid: '' is no id");
}
