#include "sandbox/runtime/mount_options.h"

#include <doctest/doctest.h>
#include <linux/mount.h>
#include <sys/mount.h>

using namespace sandbox::runtime;

TEST_CASE("words set and clear attributes, and a later word wins") {
  const MountOptions options = parse_mount_options({"ro", "nosuid", "rw", "nodev", "suid"});
  CHECK(options.own.set == MOUNT_ATTR_NODEV);
  CHECK(options.own.clear == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
  CHECK(options.tree.set == 0);
}

TEST_CASE("an r before a word means the whole tree") {
  const MountOptions options = parse_mount_options({"rro", "rnoexec", "rrw"});
  CHECK(options.tree.set == MOUNT_ATTR_NOEXEC);
  CHECK(options.tree.clear == MOUNT_ATTR_RDONLY);
  CHECK(options.own.set == 0);
}

TEST_CASE("a time mode replaces the one before, and clears the kernel's field") {
  const MountOptions options = parse_mount_options({"noatime", "strictatime"});
  CHECK(options.own.set == MOUNT_ATTR_STRICTATIME);
  CHECK(options.own.clear == MOUNT_ATTR__ATIME);
  const MountOptions relative = parse_mount_options({"noatime", "relatime"});
  CHECK(relative.own.set == 0);
  CHECK(relative.own.clear == MOUNT_ATTR__ATIME);
}

TEST_CASE("bind, propagation and idle words") {
  const MountOptions options = parse_mount_options({"rbind", "rslave", "defaults", "", "loud"});
  CHECK(options.bind);
  CHECK(options.recursive);
  CHECK(options.propagation == MS_SLAVE);
  CHECK(options.propagation_of_tree);
  CHECK(options.data.empty());
  CHECK_FALSE(parse_mount_options({"rbind", "bind"}).recursive);
}

TEST_CASE("what only the file system understands is its data") {
  CHECK(parse_mount_options({"size=64k", "ro", "mode=755", "sync"}).data == "size=64k,mode=755,sync");
  CHECK(parse_mount_options({"remount"}).remount);
  CHECK(parse_mount_options({"r", "rbindx"}).data == "r,rbindx");
}
