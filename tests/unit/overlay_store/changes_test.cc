#include "fuse-overlay/store/changes.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "tests/unit/overlay_store/layer_fixture.h"

using namespace sandbox;
using namespace sandbox::overlay;

namespace {

/// Two lower layers and an upper one, written as kernel overlayfs would.
class Layers : public testing::LayerFixture {
 public:
  void file(const std::string& name) const {
    const std::string whole = path(name);
    make_directories(whole.substr(0, whole.find_last_of('/')));
    write_file_atomic(whole, "x", false);
  }
  void directory(const std::string& name) const { make_directories(path(name)); }
  void whiteout(const std::string& name) const {
    REQUIRE(::mknod(path(name).c_str(), S_IFCHR | 0600, makedev(0, 0)) == 0);
  }
  void marked_whiteout(const std::string& name) const {
    write_file_atomic(path(name), "", false);
    REQUIRE(::setxattr(path(name).c_str(), "user.overlay.whiteout", "", 0, 0) == 0);
  }
  void opaque(const std::string& name) const {
    REQUIRE(::setxattr(path(name).c_str(), "user.overlay.opaque", "y", 1, 0) == 0);
  }
  std::string changes() const {
    std::string text;
    for (const auto& [kind, name] : changes_of({path("top"), path("bottom")}, path("upper"))) {
      text += std::string(1, "CAD"[static_cast<int>(kind)]) + " " + name + "\n";
    }
    return text;
  }
};

}  // namespace

TEST_CASE("files are added, changed and deleted, and their directories are changed") {
  const Layers layers;
  for (const char* name : {"bottom/etc/passwd", "bottom/etc/gone", "top/etc/also", "bottom/home/x"}) layers.file(name);
  for (const char* name : {"upper/etc/passwd", "upper/etc/new", "upper/opt/tool/bin"}) layers.file(name);
  layers.whiteout("upper/etc/gone");
  layers.marked_whiteout("upper/etc/also");
  CHECK(layers.changes() ==
        "C etc\nD etc/also\nD etc/gone\nA etc/new\nC etc/passwd\nA opt\nA opt/tool\nA opt/tool/bin\n");
}

TEST_CASE("what a higher layer has deleted is added, not changed, and needs no deletion") {
  const Layers layers;
  layers.file("bottom/a/one");
  layers.file("bottom/a/two");
  layers.directory("top/a");
  layers.whiteout("top/a/one");
  layers.whiteout("top/a/two");
  layers.file("upper/a/one");
  layers.whiteout("upper/a/two");
  CHECK(layers.changes() == "C a\nA a/one\n");
}

TEST_CASE("an opaque directory deletes what it does not have itself") {
  const Layers layers;
  layers.file("bottom/a/one");
  layers.file("top/a/two");
  layers.file("upper/a/two");
  layers.opaque("upper/a");
  CHECK(layers.changes() == "C a\nD a/one\nC a/two\n");
}

TEST_CASE("below a lower file or an opaque lower directory nothing is known") {
  const Layers layers;
  layers.file("bottom/a/one");
  layers.file("top/a");
  layers.file("upper/a/one");
  layers.file("bottom/b/one");
  layers.directory("top/b");
  layers.opaque("top/b");
  layers.file("upper/b/one");
  CHECK(layers.changes() == "C a\nA a/one\nC b\nA b/one\n");
}
