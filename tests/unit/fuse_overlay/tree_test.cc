// Real mounts, made by the calling ordinary user in namespaces of a child process.
#include <dirent.h>
#include <doctest/doctest.h>
#include <errno.h>
#include <signal.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "mounted.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::overlay::test;
namespace fs = std::filesystem;

namespace {

std::string names(const std::string& directory) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(directory)) found.push_back(entry.path().filename().string());
  std::sort(found.begin(), found.end());
  std::string all;
  for (const auto& name : found) all += name + " ";
  return all;
}

std::string inode(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? std::to_string(status.st_ino) : "none";
}

}  // namespace

TEST_CASE("upper layers cover lower ones, and directories are merged") {
  const Layers layers(3);
  layers.add(2, "d/a", "bottom");
  layers.add(2, "d/b", "bottom");
  layers.add(1, "d/b", "middle");
  layers.add(0, "d/c", "top");
  layers.add(2, "f/x", "directory below a file");
  layers.add(0, "f", "file");
  const auto seen = in_merge(layers, Rung::fuse, [] {
    return names("d") + read_text("d/a") + " " + read_text("d/b") + " " + read_text("d/c") + " " + read_text("f");
  });
  CHECK(seen == "a b c bottom middle top file");
}

TEST_CASE("whiteouts in both forms and opaque directories hide what is below") {
  const Layers layers(2);
  for (const char* name : {"device", "marked/file", "marked/empty", "opaque/old"}) layers.add(1, name);
  CHECK(::mknod((layers.lower(0) + "/device").c_str(), S_IFCHR, 0) == 0);
  layers.add(0, "marked/file", "");
  layers.add(0, "marked/empty", "");
  layers.add(0, "opaque/new");
  CHECK(::setxattr((layers.lower(0) + "/marked").c_str(), "user.overlay.opaque", "x", 1, 0) == 0);
  CHECK(::setxattr((layers.lower(0) + "/marked/file").c_str(), "user.overlay.whiteout", "y", 1, 0) == 0);
  CHECK(::setxattr((layers.lower(0) + "/opaque").c_str(), "user.overlay.opaque", "y", 1, 0) == 0);
  const auto seen =
      in_merge(layers, Rung::fuse, [] { return names(".") + "| " + names("marked") + "| " + names("opaque"); });
  CHECK(seen == "marked opaque | empty | new ");
}

TEST_CASE("a merge without an upper layer refuses every change") {
  const Layers layers;
  layers.add(0, "f");
  const auto seen = in_merge(
      layers, Rung::fuse,
      [] {
        return fmt::format("{} {} {}", write_text("f", "x"), write_text("new", "x", O_CREAT),
                           ::unlink("f") == 0 ? 0 : errno);
      },
      false);
  CHECK(seen == fmt::format("{} {} {}", EROFS, EROFS, EROFS));
}

TEST_CASE("copy-up keeps mode, times, attributes, holes and the inode number, and leaves the lower file alone") {
  const Layers layers;
  layers.add(0, "d/f", "data");
  const std::string lower = layers.lower(0) + "/d/f";
  CHECK(::truncate(lower.c_str(), 10 << 20) == 0);
  CHECK(::chmod(lower.c_str(), 04711) == 0);
  CHECK(::setxattr(lower.c_str(), "user.kept", "yes", 3, 0) == 0);
  const auto seen = in_merge(layers, Rung::fuse, [] {
    struct stat before{}, after{};
    ::stat("d/f", &before);
    const std::string number = inode("d/f");
    ::setxattr("d/f", "user.new", "1", 1, 0);
    ::stat("d/f", &after);
    char value[4] = {};
    return fmt::format(
        "{} {} {} {} {}", before.st_mode == after.st_mode, before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
        ::getxattr("d/f", "user.kept", value, sizeof value), number == inode("d/f"), after.st_blocks < 100);
  });
  CHECK(seen == "true true 3 true true");
  CHECK(::getxattr(lower.c_str(), "user.new", nullptr, 0) < 0);
  CHECK(fs::is_empty(layers.path() + "/work"));
}

TEST_CASE("five hundred layers are merged") {
  const Layers layers(500);
  for (int i = 0; i < 500; ++i) layers.add(i, fmt::format("d/f{}", i), std::to_string(i));
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const auto count = std::distance(fs::directory_iterator("d"), fs::directory_iterator());
    const std::string before = fmt::format("{} {} {}", count, read_text("d/f0"), read_text("d/f499"));
    const int written = write_text("d/f499", "up", O_TRUNC);
    return fmt::format("{} {} {}", before, written, read_text("d/f499"));
  });
  CHECK(seen == "500 0 499 0 up");
}

TEST_CASE("deep directories and long names are reached") {
  const Layers layers;
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const std::string name(255, 'd');
    int made = 0;
    for (; made < 200; ++made) {
      if (::mkdir(name.c_str(), 0755) != 0 || ::chdir(name.c_str()) != 0) break;
    }
    return fmt::format("{} {}", made, write_text(name, "x", O_CREAT));
  });
  CHECK(seen == "200 0");
}

TEST_CASE("threads create, rename and remove at the same time, and nothing is left") {
  const Layers layers;
  for (int i = 0; i < 8; ++i) layers.add(0, fmt::format("lower/f{}", i));
  const auto seen = in_merge(layers, Rung::fuse, [] {
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([t, &failures] {
        const auto expect = [&](int result) { failures += result != 0; };
        expect(write_text(fmt::format("lower/f{}", t), "changed", O_TRUNC));
        for (int i = 0; i < 100; ++i) {
          const std::string name = fmt::format("t{}-{}", t, i), other = fmt::format("lower/{}", name);
          expect(write_text(name, name, O_CREAT | O_EXCL));
          expect(::rename(name.c_str(), other.c_str()));
          if (read_text(other) != name) ++failures;
          expect(::unlink(other.c_str()));
        }
        expect(::unlink(fmt::format("lower/f{}", t).c_str()));
      });
    }
    for (auto& thread : threads) thread.join();
    return fmt::format("{} {}{}", failures.load(), names("."), names("lower"));
  });
  CHECK(seen == "0 lower ");
}

TEST_CASE("a removed directory that somebody stands in is empty and takes nothing new") {
  const Layers layers;
  layers.add(0, "d/f");
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const int fd = ::open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::unlink("d/f");
    ::rmdir("d");
    const std::string in_it = fmt::format("/proc/self/fd/{}", fd);
    return fmt::format("{} {}", names(in_it), write_text(in_it + "/new", "x", O_CREAT));
  });
  CHECK(seen == fmt::format(" {}", ENOENT));
}

TEST_CASE("when the server is killed, whoever waits for it gets an error") {
  const Layers layers;
  sys::Pair inside = sys::pipe() | or_throw("pipe");
  const auto look = [&inside] {
    (void)sys::write(inside.second.get(), "i", 1);
    for (int i = 0; i < 100000; ++i) {
      if (::access(fmt::format("nothing{}", i).c_str(), F_OK) < 0 && errno != ENOENT) return std::to_string(errno);
    }
    return std::string("served on");
  };
  const auto kill_server = [&inside](pid_t server) {
    char byte;
    (void)sys::read(inside.first.get(), &byte, 1);
    ::kill(server, SIGKILL);
  };
  const auto seen = in_merge(layers, Rung::fuse, look, true, kill_server);
  CHECK((seen == std::to_string(ENOTCONN) || seen == std::to_string(ECONNABORTED)));
}

TEST_CASE("a layer that does not exist is named") {
  Layers layers;
  fs::remove(layers.lower(0));
  CHECK_THROWS_WITH_AS(in_merge(layers, Rung::fuse, [] { return std::string(); }), doctest::Contains("lower0"), Error);
}
