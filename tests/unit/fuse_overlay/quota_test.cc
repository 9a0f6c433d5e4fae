// How much a merge's upper layer may hold: by itself as numbers, and as programs in the merge see it.
#include <doctest/doctest.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "fuse-overlay/tree/overlay.h"
#include "mounted.h"

using namespace sandbox::overlay;
using namespace sandbox::overlay::test;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

/// How many bytes a descriptor takes until it fails, and the errno.
std::string fill(int fd, std::size_t most) {
  const std::string block(100000, 'x');
  std::size_t written = 0;
  while (written < most) {
    const ssize_t got = ::write(fd, block.data(), std::min(block.size(), most - written));
    if (got < 0) return fmt::format("{} KiB, {}", written / 1024, ::strerrorname_np(errno));
    written += static_cast<std::size_t>(got);
  }
  return fmt::format("{} KiB", written / 1024);
}

std::string fill(const std::string& path, std::size_t most) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const std::string result = fd < 0 ? ::strerrorname_np(errno) : fill(fd, most);
  ::close(fd);
  return result;
}

std::string outcome(long result) { return result < 0 ? ::strerrorname_np(errno) : "0"; }

}  // namespace

TEST_CASE("what is reserved can't be had twice, and what there is room for is given") {
  Quota quota({.bytes = 100, .objects = 1});
  {
    const auto first = quota.reserve(60, 60, true);
    CHECK(quota.reserve(0, 60, false).bytes() == 40);
    CHECK_THROWS_AS((void)quota.reserve(60, 60, false), Failure);
    CHECK_THROWS_AS((void)quota.reserve(0, 0, true), Failure);
    quota.count_object(50);
  }
  CHECK(quota.reserve(50, 50, false).bytes() == 50);
  CHECK_THROWS_AS((void)quota.reserve(0, 0, true), Failure);
  quota.free(50, false);
  CHECK(quota.reserve(100, 100, true).bytes() == 100);
}

TEST_CASE("room that a removed object is about to free is waited for") {
  Quota quota({.bytes = 100});
  quota.count_object(100);
  quota.note_nameless(1);
  std::thread later([&] { quota.free(100, true); });
  std::uint64_t bytes = 0;
  CHECK_NOTHROW(bytes = quota.reserve(100, 100, false).bytes());
  later.join();
  CHECK(bytes == 100);
}

TEST_CASE("a full upper layer takes nothing more, but what is there can be changed, and room is made by removing") {
  Layers layers;
  layers.most_bytes = 8 * kMiB;
  layers.add(0, "lower", std::string(2 * kMiB, 'l'));
  const auto seen = in_merge(layers, Rung::fuse, [] {
    std::string all = fill("big", 32 * kMiB) + "; ";
    all += fill("other", 100000) + "; ";
    const int fd = ::open("big", O_RDWR | O_CLOEXEC);
    all += "over: " + fill(fd, 7 * kMiB) + "; ";
    all += "mkdir " + outcome(::mkdir("d", 0755));
    all += ", copy-up " + outcome(::truncate("lower", 5));
    all += ", allocate " + outcome(::fallocate(fd, 0, 0, 20 * kMiB)) + "; ";
    struct statvfs status {};
    ::statvfs(".", &status);
    const auto left = status.f_bavail * status.f_frsize, size = status.f_blocks * status.f_frsize;
    all += fmt::format("{} of {} KiB; ", left < 64 * 1024, size / 1024);
    ::unlink("big");
    all += "removed but open: " + fill("other", 100000) + "; ";
    ::close(fd);
    all += "closed: " + fill("other", 4 * kMiB);
    return all + ", copy-up " + outcome(::truncate("lower", 5));
  });
  CHECK(seen ==
        "8192 KiB, ENOSPC; ENOSPC; over: 7168 KiB; mkdir ENOSPC, copy-up ENOSPC, allocate ENOSPC; true of 8192 KiB; "
        "removed but open: ENOSPC; closed: 4096 KiB, copy-up 0");
  const auto again = in_merge(layers, Rung::fuse, [] { return fill("more", 32 * kMiB); });
  CHECK(again.ends_with("ENOSPC"));
  CHECK(std::stoi(again) > 3900);
  CHECK(std::stoi(again) < 4096);
}

TEST_CASE("holes take no room, and filling them does") {
  Layers layers;
  layers.most_bytes = 1 * kMiB;
  const auto seen = in_merge(layers, Rung::fuse, [] {
    const int fd = ::open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    std::string all = outcome(::ftruncate(fd, 64 * kMiB));
    all += " " + outcome(::pwrite(fd, "end", 3, 50 * kMiB));
    all += " " + fill(fd, 8 * kMiB);
    all += " " + outcome(::pwrite(fd, "again", 5, 50 * kMiB));
    all += " " + outcome(::pwrite(fd, "else", 4, 40 * kMiB));
    all += " " + outcome(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 512 * 1024));
    all += " " + outcome(::pwrite(fd, "else", 4, 40 * kMiB));
    ::close(fd);
    return all;
  });
  CHECK(seen == "0 0 1020 KiB, ENOSPC 0 ENOSPC 0 0");
}

TEST_CASE("objects are counted, hard links and whiteouts are not, also by the next mount") {
  Layers layers;
  layers.most_objects = 5;
  for (int i = 0; i < 20; ++i) layers.add(0, fmt::format("lower-{}", i));
  const auto make = [](const char* prefix) {
    int made = 0;
    while (made < 20 && write_text(fmt::format("{}{}", prefix, made), "", O_CREAT | O_EXCL) == 0) ++made;
    return made;
  };
  const auto seen = in_merge(layers, Rung::fuse, [&] {
    for (int i = 0; i < 15; ++i) ::unlink(fmt::format("lower-{}", i).c_str());
    const int first = make("a"), linked = ::link("a0", "link");
    ::unlink("a0");
    const int none = make("b");
    ::unlink("a1");
    ::unlink("a2");
    const int two = make("c");
    return fmt::format("{} {} {} {} {}", first, linked, none, two, outcome(::chmod("lower-17", 0600)));
  });
  CHECK(seen == "5 0 0 2 ENOSPC");
  const auto again = in_merge(layers, Rung::fuse, [&] {
    const int none = make("d");
    ::unlink("a3");
    const int one = make("d");
    return fmt::format("{} {} {}", none, one, outcome(::chmod("lower-17", 0600)));
  });
  CHECK(again == "0 1 ENOSPC");
}
