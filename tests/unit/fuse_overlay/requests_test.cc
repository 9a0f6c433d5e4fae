// How often the kernel has to ask: the caches' worth, which doesn't depend on how busy a machine is. What it caches it
// may drop at any time, though, not only when memory is short: where DAMON reclaims proactively (CONFIG_DAMON, its
// action "pageout"), single pages that were read a second ago go. So what asks for pages allows for some, or is tried
// again.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "mounted.h"

using namespace sandbox;
using namespace sandbox::overlay::test;
namespace fs = std::filesystem;

namespace {

constexpr int kFiles = 300;
constexpr int kTries = 10;
constexpr int kDropped = kFiles / 20;  ///< Reads that pages dropped at once may cost.

std::string file_name(int i) { return fmt::format("tree/d{}/file-{}", i % 10, i); }

void make_files(const Layers& layers) {
  for (int i = 0; i < kFiles; ++i) layers.add(0, file_name(i), std::string(5000, 'x'));
}

std::string text(const Requests& requests) {
  std::string all;
  for (const auto& [kind, count] : requests) all += fmt::format("{} {}, ", kind, count);
  return all;
}

/// What a program sees of the whole tree: names, attributes, contents.
void look_at_all() {
  for (const auto& entry : fs::recursive_directory_iterator("tree")) {
    struct stat status {};
    ::lstat(entry.path().c_str(), &status);
    if (entry.is_regular_file()) (void)read_text(entry.path());
  }
}

int sum(const Requests& requests, std::initializer_list<const char*> kinds) {
  int all = 0;
  for (const char* kind : kinds) {
    if (const auto found = requests.find(kind); found != requests.end()) all += found->second;
  }
  return all;
}

}  // namespace

TEST_CASE("what a program has seen and read before takes no request") {
  const Layers layers;
  make_files(layers);
  const auto asked = in_counted_merge(layers, [](const AskRequests& ask) {
    look_at_all();
    std::string last;
    // Reading has changed access times, which are asked for once more; so are those of pages that had to be read again.
    for (int i = 0; i < kTries; ++i) {
      look_at_all();
      ask();
      look_at_all();
      for (int k = 0; k < 100; ++k) ::access(fmt::format("tree/absent{}-{}", i, k % 10).c_str(), F_OK);
      if ((last = text(ask())) == "lookup 10, ") break;
    }
    return last;
  });
  CHECK(asked == "lookup 10, ");
}

TEST_CASE("opening and closing take no requests, and a cold look at a tree takes few") {
  const Layers layers;
  make_files(layers);
  const auto asked = in_counted_merge(layers, [](const AskRequests& ask) {
    look_at_all();
    const Requests cold = ask();
    const int reads = sum(cold, {"read"});
    const bool few = reads >= kFiles && reads <= kFiles + kDropped && sum(cold, {"readdirplus", "readdir"}) <= 40;
    const bool once = sum(cold, {"open", "opendir"}) == 2 && sum(cold, {"release", "releasedir"}) == 0;
    return fmt::format("{} {}: {}", few, once, text(cold));
  });
  INFO(asked);
  CHECK(asked.starts_with("true true:"));
}

TEST_CASE("making, changing and removing files take their bounded number of requests") {
  const Layers layers;
  layers.add(0, "opened");
  const auto seen = in_counted_merge(layers, [](const AskRequests& ask) {
    (void)read_text("opened");  // the kernel learns that opening takes no request
    fs::create_directory("new");
    ask();
    for (int i = 0; i < kFiles; ++i) write_text(fmt::format("new/f{}", i), "content", O_CREAT | O_EXCL);
    const Requests made = ask();
    for (int i = 0; i < kFiles; ++i) ::chmod(fmt::format("new/f{}", i).c_str(), 0600);
    const Requests changed = ask();
    for (int i = 0; i < kFiles; ++i) ::unlink(fmt::format("new/f{}", i).c_str());
    const Requests removed = ask();
    // Of the directory, whose times have changed, the kernel asks again each time; see fuse_dir_changed() in fs/fuse.
    return fmt::format("{} {} {} {}", sum(made, {"lookup", "create", "write", "getattr", "getxattr"}) <= 5 * kFiles + 2,
                       sum(made, {"open", "release", "flush"}) <= 1, sum(changed, {"setattr", "getattr"}) <= kFiles + 1,
                       sum(removed, {"unlink", "getattr", "setattr"}) <= 2 * kFiles + 1);
  });
  CHECK(seen == "true true true true");
}

TEST_CASE("unpacking and copy-up take the requests that the kernel makes of each change, and no others") {
  const Layers layers;
  make_files(layers);
  layers.add(0, "opened");
  const auto seen = in_counted_merge(layers, [](const AskRequests& ask) {
    (void)read_text("opened");  // the kernel learns that opening takes no request
    fs::create_directory("new");
    ask();
    for (int i = 0; i < kFiles; ++i) {
      const int fd = ::open(fmt::format("new/f{}", i).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      const timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
      const bool done = ::write(fd, "content", 7) == 7 && ::fchown(fd, 0, 0) == 0 && ::fchmod(fd, 0644) == 0 &&
                        ::futimens(fd, times) == 0 && ::close(fd) == 0;
      if (!done) return fmt::format("file {}", i);
    }
    const Requests unpacked = ask();
    for (const auto& entry : fs::recursive_directory_iterator("tree")) ::chmod(entry.path().c_str(), 0700);
    const Requests changed = ask();
    // Before a file's first write and change of owner the kernel asks for security.capability (security/commoncap.c),
    // and of the directory for its attributes, which each new name has changed.
    const bool few = sum(unpacked, {"lookup", "mknod", "write"}) <= 3 * kFiles + 2 &&
                     sum(unpacked, {"setattr"}) <= 3 * kFiles && sum(unpacked, {"getxattr"}) <= 2 * kFiles &&
                     sum(unpacked, {"getattr"}) <= kFiles + 2;
    const bool once = sum(changed, {"setattr"}) <= kFiles + 11 && sum(changed, {"lookup", "getattr"}) <= 40 &&
                      sum(changed, {"read", "write", "getxattr", "open"}) == 0;
    return fmt::format("{} {}: {}; {}", few, once, text(unpacked), text(changed));
  });
  INFO(seen);
  CHECK(seen.starts_with("true true:"));
}
