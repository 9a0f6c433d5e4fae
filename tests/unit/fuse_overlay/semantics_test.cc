// What union file systems are known to get wrong: hard links, renamed directories, numbers, files without names.
#include <dirent.h>
#include <doctest/doctest.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "mounted.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::overlay::test;
namespace fs = std::filesystem;

namespace {

struct stat status_of(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) < 0) throw SysError(Errno{errno}, path);
  return status;
}

void add_links(const Layers& layers) {
  layers.add(0, "a/one", "content");
  layers.add(0, "b/c/keep");
  fs::create_hard_link(layers.lower(0) + "/a/one", layers.lower(0) + "/b/two");
  fs::create_hard_link(layers.lower(0) + "/a/one", layers.lower(0) + "/b/c/three");
}

}  // namespace

TEST_CASE(
    "what is written through one hard link of a lower file is read through the others, also by the kernel's driver") {
  const Layers layers;
  add_links(layers);
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const int reader = ::open("b/two", O_RDONLY | O_CLOEXEC);
    const bool together = status_of("a/one").st_ino == status_of("b/two").st_ino;
    write_text("a/one", "changed", O_TRUNC);
    char buffer[16] = {};
    const auto count = ::pread(reader, buffer, sizeof buffer, 0);
    return fmt::format("{} {} {} {} {}", together, std::string(buffer, static_cast<std::size_t>(count)),
                       read_text("b/c/three"), status_of("b/two").st_nlink,
                       status_of("a/one").st_ino == status_of("b/c/three").st_ino);
  });
  CHECK(seen == "true changed changed 3 true");
  for (const Rung rung : {Rung::kernel, Rung::fuse}) {
    const auto again = in_merge(layers, rung, [] {
      return fmt::format("{} {} {}", read_text("b/two"), read_text("b/c/three"), status_of("a/one").st_nlink);
    });
    CHECK(again == "changed changed 3");
  }
}

TEST_CASE("a lower file's number of links falls with each name that is removed, and removed names don't come back") {
  const Layers layers;
  add_links(layers);
  const auto seen = in_merge(layers, Rung::fuse, [] {
    (void)status_of("b/two");
    ::unlink("a/one");
    const auto left = status_of("b/two").st_nlink;
    write_text("b/c/three", "changed", O_TRUNC);
    return fmt::format("{} {} {} {}", left, status_of("b/two").st_nlink, read_text("b/two"), ::access("a/one", F_OK));
  });
  CHECK(seen == "2 2 changed -1");
}

TEST_CASE("a directory of lower layers is renamed with all that it contains, and the kernel's driver shows it there") {
  const Layers layers(2);
  layers.add(1, "d/sub/deep/bottom");
  layers.add(1, "d/hidden");
  layers.add(0, "d/sub/top");
  layers.add(1, "other/covered");
  CHECK(::mknod((layers.lower(0) + "/d/hidden").c_str(), S_IFCHR, 0) == 0);
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const int inside = ::open("d/sub/deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const auto number = status_of("d/sub").st_ino;
    const int renamed = ::rename("d", "moved");
    const int over = ::unlink("other/covered") + ::rmdir("other") + ::rename("moved/sub", "other");
    return fmt::format("{} {} {} {} {}", renamed, over, ::faccessat(inside, "bottom", F_OK, 0),
                       number == status_of("other").st_ino, describe_tree());
  });
  CHECK(seen.starts_with("0 0 0 true "));
  for (const Rung rung : {Rung::kernel, Rung::fuse}) {
    const auto again = in_merge(layers, rung, [] { return describe_tree(); });
    CHECK(again.find("./other/deep/bottom 1") != std::string::npos);
    CHECK(again.find("./other/top 1") != std::string::npos);
    CHECK(again.find("hidden") == std::string::npos);
    CHECK(again.find("covered") == std::string::npos);
    CHECK(again.find("./d") == std::string::npos);
    CHECK("0 0 0 true " + again == seen);
  }
}

TEST_CASE("two directories of lower layers are exchanged") {
  const Layers layers;
  layers.add(0, "left/l");
  layers.add(0, "right/r");
  const auto exchange = [] {
    const int result = ::renameat2(AT_FDCWD, "left", AT_FDCWD, "right", RENAME_EXCHANGE);
    return fmt::format("{} {} {} {}", result, ::access("left/r", F_OK), ::access("right/l", F_OK),
                       ::access("left/l", F_OK));
  };
  CHECK(in_merge(layers, Rung::fuse, exchange) == "0 0 0 -1");
  const auto again = in_merge(layers, Rung::kernel, [] {
    return fmt::format("{} {} {}", ::access("left/r", F_OK), ::access("right/l", F_OK), ::access("left/l", F_OK));
  });
  CHECK(again == "0 0 -1");
}

TEST_CASE("a file without a name is written, read, and given a name") {
  const Layers layers;
  layers.add(0, "d/f");
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const int fd = ::open("d", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
    if (fd < 0) return fmt::format("errno {}", errno);
    const auto written = ::write(fd, "text", 4);
    struct stat before{}, after{};
    ::fstat(fd, &before);
    const int linked =
        ::linkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd).c_str(), AT_FDCWD, "d/named", AT_SYMLINK_FOLLOW);
    ::fstat(fd, &after);
    const auto more = ::write(fd, "+more", 5);
    ::close(fd);
    return fmt::format("{} {} {} {} {} {} {:o}", written, before.st_nlink, linked, after.st_nlink, more,
                       read_text("d/named"), status_of("d/named").st_mode);
  });
  CHECK(seen == "4 0 0 1 5 text+more 100640");
}

TEST_CASE("a program's attribute that is named as a mark of the format hides nothing in either driver") {
  const Layers layers;
  layers.add(0, "d/f");
  layers.add(0, "d/g");
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const int set = ::setxattr("d", "user.overlay.opaque", "y", 1, 0);
    write_text("d/g", "copied up");
    return fmt::format("{} {}", set, ::access("d/f", F_OK));
  });
  CHECK(seen == "0 0");
  for (const Rung rung : {Rung::kernel, Rung::fuse}) {
    CHECK(in_merge(layers, rung, [] { return std::to_string(::access("d/f", F_OK)); }) == "0");
  }
  const auto again = in_merge(layers, Rung::fuse, [] {
    char value = 0, names[64] = {};
    const auto size = ::getxattr("d", "user.overlay.opaque", &value, 1);
    const auto all = ::listxattr("d", names, sizeof names);
    return fmt::format("{} {} {} {}", size, value, all, names);
  });
  CHECK(again == "1 y 20 user.overlay.opaque");
}

TEST_CASE("of a lower file with several names, removed ones don't count, also when the others were never looked at") {
  const Layers layers;
  add_links(layers);
  const auto links = [] { return std::to_string(status_of("b/two").st_nlink); };
  const auto seen = in_merge(layers, Rung::fuse, [&] {
    fs::remove_all("b/c");
    const int removed = ::unlink("a/one");
    return fmt::format("{} {}", removed, links());
  });
  CHECK(seen == "0 1");
  CHECK(in_merge(layers, Rung::fuse, links) == "1");
}

TEST_CASE("inode numbers stay across copy-up, rename and remount") {
  const Layers layers;
  for (const char* name : {"f", "d/g", "d/h"}) layers.add(0, name);
  const auto numbers = [] {
    std::string all;
    for (const char* name : {"f", "d", "e/g", "d/h"}) all += fmt::format("{} ", status_of(name).st_ino);
    return all;
  };
  const auto first = in_merge(layers, Rung::fuse, [&] {
    fs::create_directory("e");
    std::string before = fmt::format("{} {} {} {} ", status_of("f").st_ino, status_of("d").st_ino,
                                     status_of("d/g").st_ino, status_of("d/h").st_ino);
    for (const char* name : {"f", "d/g", "d/h"}) write_text(name, "changed", O_TRUNC);
    ::rename("d/g", "e/g");
    return before == numbers() ? before : "changed: " + before;
  });
  CHECK(in_merge(layers, Rung::fuse, numbers) == first);
}

TEST_CASE("readdir shows the numbers that stat shows") {
  const Layers layers(2);
  for (int i = 0; i < 20; ++i) layers.add(i % 2, fmt::format("d/f{}", i));
  const auto seen = in_merge(layers, Rung::fuse, [] {
    write_text("d/f3", "copied up");
    write_text("d/new", "new", O_CREAT);
    DIR* stream = ::opendir("d");
    int different = 0, count = 0;
    while (const dirent* entry = ::readdir(stream)) {
      if (entry->d_name[0] == '.') continue;
      ++count;
      different += entry->d_ino != status_of(std::string("d/") + entry->d_name).st_ino;
    }
    ::closedir(stream);
    return fmt::format("{} {}", count, different);
  });
  CHECK(seen == "21 0");
}

TEST_CASE("a directory that changes while it is read shows each lasting name once") {
  const Layers layers;
  constexpr int kNames = 3000;
  for (int i = 0; i < kNames; ++i) layers.add(0, fmt::format("d/lower-{:04}", i), "");
  const auto seen = in_merge(layers, Rung::fuse, [] {
    DIR* stream = ::opendir("d");
    std::multiset<std::string> names;
    for (int i = 0; const dirent* entry = ::readdir(stream); ++i) {
      names.insert(entry->d_name);
      if (i % 100 != 0) continue;
      write_text(fmt::format("d/new-{}", i), "x", O_CREAT);
      ::unlink(fmt::format("d/lower-{:04}", i / 2).c_str());
      (void)std::distance(fs::directory_iterator("d"), fs::directory_iterator());  // somebody else reads it, too
    }
    ::closedir(stream);
    int wrong = 0;
    for (int i = kNames / 2; i < kNames; ++i) wrong += names.count(fmt::format("lower-{:04}", i)) != 1;
    for (const auto& name : names) wrong += names.count(name) != 1;
    return fmt::format("{}", wrong);
  });
  CHECK(seen == "0");
}

TEST_CASE("writing and a change of owner take away set-ID bits, as in a native directory") {
  const auto written = [](Rung rung) {
    const Layers layers;
    for (const char* name : {"written", "truncated", "given", "group"}) layers.add(0, name);
    for (const char* name : {"written", "truncated", "given"}) {
      CHECK(::chmod((layers.lower(0) + "/" + name).c_str(), 06755) == 0);
    }
    CHECK(::chmod((layers.lower(0) + "/group").c_str(), 02644) == 0);
    return in_merge(layers, rung, [] {
      write_text("written", "x", O_APPEND);
      const int truncated = ::truncate("truncated", 1), given = ::chown("given", 0, 0);
      write_text("group", "x", O_APPEND);
      std::string modes = fmt::format("{} {}", truncated, given);
      for (const char* name : {"written", "truncated", "given", "group"})
        modes += fmt::format(" {:o}", status_of(name).st_mode);
      return modes;
    });
  };
  const std::string native = written(Rung::native);
  CHECK(native.starts_with("0 0 100755"));
  CHECK(written(Rung::fuse) == native);
}
