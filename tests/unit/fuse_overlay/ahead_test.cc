// What the tree's threads look at before it is asked for: without a mount, and with directories of the calling user.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "fuse-overlay/tree/overlay.h"
#include "mounted.h"

using namespace sandbox;
using namespace sandbox::overlay;
namespace fs = std::filesystem;

namespace {

Fd open_directory(const std::string& path) {
  return sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", path);
}

/// A walk that has listed the root and the first of three directories, whose names stand for their order.
struct Walked {
  overlay::test::Layers layers;
  std::optional<Overlay> tree;
  std::vector<Node*> directories;

  Walked() {
    for (const char directory : {'a', 'b', 'c'}) {
      for (int i = 0; i < 6; ++i) layers.add(0, fmt::format("{}/f{}", directory, i), "text");
    }
    Settings settings;
    settings.lower.push_back(open_directory(layers.lower(0)));
    settings.upper = open_directory(layers.path() + "/upper");
    settings.work = open_directory(layers.path() + "/work");
    tree.emplace(std::move(settings));
    read(tree->root());
    for (const DirectoryItem& item : tree->list(tree->root(), true)->items) {
      if (item.name.size() == 1 && item.name != ".") directories.push_back(look_up(tree->root(), item.name)->node);
    }
    tree->end_list(tree->root());
  }
  std::optional<Entry> look_up(Node& directory, const std::string& name) { return tree->lookup(directory, name); }
  /// As the server does for READDIRPLUS, to the end; the names that were found.
  std::string read(Node& directory) {
    const auto listing = tree->list(directory, true);
    std::string names;
    for (std::size_t i = Listing::kDots; i < listing->items.size(); ++i) {
      if (tree->lookup_listed(directory, *listing, i)) names += listing->items[i].name + " ";
    }
    tree->note_listed(directory, *listing);
    tree->end_list(directory);
    return names;
  }
  int work() {
    int pieces = 0;
    while (tree->work_ahead()) ++pieces;
    return pieces;
  }
  bool takes_away(Node& directory) {
    const std::string name = directory.name + "/f5";
    return fs::remove(layers.lower(0) + "/" + name);
  }
};

}  // namespace

TEST_CASE("nothing is looked at ahead of somebody who reads one directory") {
  Walked walked;
  CHECK(walked.work() == 0);
}

TEST_CASE("directories that come next are looked at before they are asked for") {
  Walked walked;
  walked.read(*walked.directories[0]);
  CHECK(walked.work() > 0);
  Node& next = *walked.directories[1];
  REQUIRE(walked.takes_away(next));
  CHECK(walked.read(next).size() == 6 * 3);
  CHECK_FALSE(walked.look_up(next, "f5"));
}

TEST_CASE("a listing that is half made when it is asked for is used as far as it goes") {
  Walked walked;
  walked.read(*walked.directories[0]);
  CHECK(walked.tree->work_ahead());  // the names
  CHECK(walked.tree->work_ahead());  // some of the attributes
  Node& next = *walked.directories[1];
  const auto listing = walked.tree->list(next, true);
  CHECK(listing->as_of);
  CHECK(listing->found.size() < listing->items.size());
  CHECK(walked.read(next).size() == 6 * 3);
}

TEST_CASE("after any change what was looked at before counts no more") {
  using Change = void (*)(Overlay&, Node& directory, Node& file);
  static const Creator creator{::getuid(), ::getgid()};
  const std::pair<const char*, Change> changes[] = {
      {"create", [](auto& tree, auto& directory, auto&) { tree.create(directory, "new", 0644, creator); }},
      {"create_unnamed", [](auto& tree, auto& directory, auto&) { tree.create_unnamed(directory, 0644, creator); }},
      {"make_directory", [](auto& tree, auto& directory, auto&) { tree.make_directory(directory, "new", 0755, creator); }},
      {"make_special", [](auto& tree, auto& directory, auto&) { tree.make_special(directory, "new", S_IFIFO, creator); }},
      {"make_symlink", [](auto& tree, auto& directory, auto&) { tree.make_symlink(directory, "new", "f0", creator); }},
      {"make_link", [](auto& tree, auto& directory, auto& file) { tree.make_link(file, directory, "new"); }},
      {"remove", [](auto& tree, auto& directory, auto&) { tree.remove(directory, "f1", false); }},
      {"rename",
       [](auto& tree, auto& directory, auto&) {
         tree.rename(directory, "f1", directory, "new", 0, [] { return false; });
       }},
      {"change", [](auto& tree, auto&, auto& file) { tree.change(file, {.mode = 0600}); }},
      {"set_attribute", [](auto& tree, auto&, auto& file) { tree.set_attribute(file, "user.x", "1", 0); }},
      {"remove_attribute", [](auto& tree, auto&, auto& file) { tree.remove_attribute(file, "user.x"); }},
      {"write", [](auto& tree, auto&, auto& file) { tree.write(file, {"x", 1, 0, false, false}); }},
      {"allocate", [](auto& tree, auto&, auto& file) { tree.allocate(file, 0, 0, 9); }},
      {"copy_range", [](auto& tree, auto&, auto& file) { tree.copy_range(file, 0, file, 4, 2); }}};
  for (const auto& [word, change] : changes) {
    const std::string name = word;
    CAPTURE(name);
    Walked walked;
    walked.read(*walked.directories[0]);
    CHECK(walked.work() > 0);
    Node& next = *walked.directories[1];
    Node& file = *walked.look_up(next, "f0")->node;
    CHECK(walked.tree->list(next, true)->as_of);
    try {
      change(*walked.tree, next, file);
    } catch (const Failure&) {
      // Where the file system can't do it, it might have.
    }
    CHECK_FALSE(walked.tree->list(next, true)->as_of);
  }
}

TEST_CASE("what is changed is seen, and nothing is settled meanwhile") {
  Walked walked;
  walked.read(*walked.directories[0]);
  CHECK(walked.work() > 0);
  Node& next = *walked.directories[1];
  REQUIRE(walked.takes_away(next));
  walked.tree->create(next, "new", 0644, {::getuid(), ::getgid()});
  const std::string seen = walked.read(next);
  CHECK(seen.find("new") != std::string::npos);
  CHECK(seen.find("f5") == std::string::npos);

  Changes changes;
  const auto before = changes.settled();
  REQUIRE(before);
  {
    const Changes::Guard change(changes);
    CHECK_FALSE(changes.settled());
    CHECK_FALSE(changes.is_still(*before));
  }
  CHECK(changes.settled());
  CHECK_FALSE(changes.is_still(*before));
}

TEST_CASE("directories that are expected may be removed and forgotten") {
  Walked walked;
  walked.read(*walked.directories[0]);
  for (int i = 0; i < 6; ++i) walked.tree->remove(*walked.directories[1], fmt::format("f{}", i), false);
  walked.tree->remove(walked.tree->root(), walked.directories[1]->name, true);
  walked.tree->forget(*walked.directories[1], 2);
  walked.work();
  CHECK(walked.read(*walked.directories[2]).size() == 6 * 3);
}
