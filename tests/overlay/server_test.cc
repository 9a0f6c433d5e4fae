// The server as a process: killed in the middle of writing, and its memory.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "world.h"

using namespace sandbox;
using namespace sandbox::overlay::test;
namespace fs = std::filesystem;

namespace {

constexpr int kLowerFiles = 40;
const std::string kOld(200000, 'o'), kNew(30000, 'n');

std::string lower_name(int i) { return fmt::format("lower/d{}/f{}", i % 7, i); }

/// Until the server is gone: new files under another name and then their own, and lower files appended to. `progress`
/// gets a byte for each. Returns how many were done.
int write_until_it_fails(int progress) {
  for (int i = 0;; ++i) {
    const std::string name = fmt::format("new/{}", i), done = fmt::format("done/{}", i);
    if (write_text(name, kNew, O_CREAT | O_EXCL) != 0 || ::rename(name.c_str(), done.c_str()) != 0) return i;
    if (write_text(lower_name(i % kLowerFiles), "+", O_APPEND) != 0) return i;
    if (i % 5 == 0 && i > 0) ::unlink(lower_name(kLowerFiles + i / 5 % kLowerFiles).c_str());
    (void)::write(progress, ".", 1);
  }
}

/// Whether each name stands for the whole of what was written, or for what was there before.
std::vector<std::string> torn_files(int done) {
  std::vector<std::string> torn;
  for (int i = 0; i < done; ++i) {
    if (read_text(fmt::format("done/{}", i)) != kNew) torn.push_back(fmt::format("done/{}", i));
  }
  for (int i = 0; i < kLowerFiles; ++i) {
    const std::string text = read_text(lower_name(i));
    if (!text.starts_with(kOld) || text.find_first_not_of('+', kOld.size()) != std::string::npos) {
      torn.push_back(lower_name(i));
    }
  }
  return torn;
}

std::string text(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

/// Of a process, in KiB.
long resident(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string word; status >> word;) {
    long size = 0;
    if (word == "VmRSS:" && status >> size) return size;
  }
  return -1;
}

/// Runs `measure` in this process, given the server, when `inside` has been run.
void in_merge_then(const Layers& layers, const std::function<void()>& inside,
                   const std::function<void(pid_t)>& measure) {
  sys::Pair reached = sys::pipe() | or_throw("pipe"), measured = sys::pipe() | or_throw("pipe");
  char byte = 0;
  const auto wait_inside = [&] {
    inside();
    (void)sys::write(reached.second.get(), ".", 1);
    (void)sys::read(measured.first.get(), &byte, 1);
    return std::string();
  };
  in_merge(layers, Rung::fuse, wait_inside, true, [&](pid_t server) {
    reached.second.reset();
    if ((sys::read(reached.first.get(), &byte, 1) | or_throw("waiting")) == 1) measure(server);
    (void)sys::write(measured.second.get(), ".", 1);
  });
}

}  // namespace

TEST_CASE("a server that is killed in the middle of writing leaves layers that the next one goes on with") {
  for (const int kill_after : {2, 23}) {
    CAPTURE(kill_after);
    const Layers layers;
    for (int i = 0; i < 2 * kLowerFiles; ++i) layers.add(0, lower_name(i), kOld);
    for (const char* name : {"new", "done"}) fs::create_directory(layers.lower(0) + "/" + name);
    sys::Pair progress = sys::pipe() | or_throw("pipe");
    const auto inside = [&] { return std::to_string(write_until_it_fails(progress.second.get())); };
    const int done = std::stoi(in_merge(layers, Rung::fuse, inside, true, [&](pid_t server) {
      char byte = 0;
      for (int i = 0; i < kill_after; ++i) (void)sys::read(progress.first.get(), &byte, 1);
      ::kill(server, SIGKILL);
    }));
    CHECK(done >= kill_after);
    CHECK(text(lines_in_merge(layers, Rung::fuse, [&] { return torn_files(done); })) == "");
    for (const auto& entry : fs::directory_iterator(layers.path() + "/work")) CHECK(entry.path().string() == "");
    const auto seen = lines_in_merge(layers, Rung::fuse, [&] {
      write_text("done/more", "more", O_CREAT);
      fs::rename("lower", "moved");
      return view();
    });
    CHECK(text(faults_afterwards(layers, seen, lines_in_merge(layers, Rung::fuse, numbers))) == "");
  }
}

TEST_CASE("the server's memory for 100,000 known files stays below 60 MiB") {
  constexpr int kFiles = 20000, kPerDirectory = 500;
  constexpr long kMost = 60L * 1024 / 5;  // for a fifth of them
  const Layers layers;
  for (int i = 0; i < kFiles; ++i) {
    if (i % kPerDirectory == 0)
      fs::create_directory(fmt::format("{}/directory-{}", layers.lower(0), i / kPerDirectory));
    ::close(::open(fmt::format("{}/directory-{}/file-name-{}", layers.lower(0), i / kPerDirectory, i).c_str(),
                   O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  }
  long before = 0, after = 0;
  in_merge_then(
      layers, [] {}, [&](pid_t server) { before = resident(server); });
  in_merge_then(
      layers, [] { (void)numbers(); }, [&](pid_t server) { after = resident(server); });
  MESSAGE("resident KiB: ", before, " idle, ", after, " with ", kFiles, " files");
  CHECK(before > 0);
  CHECK(before + (after - before) * 5 <= 60L * 1024);
  CHECK(after - before <= kMost);
}
