#include "sandbox/engine/changes.h"

#include <doctest/doctest.h>

using namespace sandbox;
using overlay::Change;
using overlay::ChangeKind;

namespace {

std::vector<userns::MountOp> mounts_on(const std::vector<std::string>& targets) {
  std::vector<userns::MountOp> mounts;
  for (const std::string& target : targets) mounts.emplace_back().target = target;
  return mounts;
}

}  // namespace

TEST_CASE("mount points, and directories that lead to nothing else, are no changes of the user's") {
  const std::vector<Change> changes{{ChangeKind::added, "dev"},
                                    {ChangeKind::changed, "etc"},
                                    {ChangeKind::added, "etc/resolv.conf"},
                                    {ChangeKind::added, "srv"},
                                    {ChangeKind::added, "srv/deep"},
                                    {ChangeKind::added, "srv/deep/mount"}};
  CHECK(engine::without_mount_points(changes, mounts_on({"/dev", "/etc/resolv.conf", "/srv/deep/mount"})).empty());
}

TEST_CASE("a directory with a mount point and a real change is changed") {
  const std::vector<Change> changes{{ChangeKind::changed, "etc"},
                                    {ChangeKind::added, "etc/mine"},
                                    {ChangeKind::added, "etc/resolv.conf"},
                                    {ChangeKind::changed, "var"}};
  const std::vector<Change> wanted{{ChangeKind::changed, "etc"}, {ChangeKind::added, "etc/mine"}, {ChangeKind::changed, "var"}};
  CHECK(engine::without_mount_points(changes, mounts_on({"/etc/resolv.conf"})) == wanted);
}
