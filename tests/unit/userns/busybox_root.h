// A root with busybox in it, and containers of it, made by the calling ordinary user without any range of ids.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "userns/launch.h"

namespace sandbox::userns {

/// A root with busybox, removed at the end.
class Root {
 public:
  Root() : path_("/tmp/sbx-userns-" + random_hex(12)) {
    for (const char* dir : {"/fs/bin", "/fs/proc", "/fs/sys", "/fs/dev", "/fs/tmp", "/fs/etc", "/upper", "/work"}) {
      std::filesystem::create_directories(path_ + dir);
    }
    std::filesystem::copy_file("/bin/busybox", path_ + "/fs/bin/busybox");
    for (const char* applet :
         {"sh", "cat", "ls", "id", "touch", "readlink", "mount", "stat", "test", "grep", "echo", "hostname"}) {
      std::filesystem::create_symlink("busybox", path_ + "/fs/bin/" + applet);
    }
  }
  ~Root() { remove_tree(path_); }
  const std::string& path() const { return path_; }
  std::string fs() const { return path_ + "/fs"; }

 private:
  std::string path_;
};

inline LaunchPlan plan_for(const Root& root, std::vector<std::string> argv) {
  LaunchPlan plan;
  plan.identity.uid_map = {{0, ::getuid(), 1}};
  plan.identity.gid_map = {{0, ::getgid(), 1}};
  plan.root.lower = {root.fs()};
  plan.root.upper = root.path() + "/upper";
  plan.root.work = root.path() + "/work";
  plan.mounts = {{.kind = MountKind::proc, .target = "/proc"},
                 {.kind = MountKind::tmpfs, .target = "/dev", .data = "size=64k,mode=755", .no_dev = false},
                 {.kind = MountKind::devpts, .target = "/dev/pts", .data = "newinstance,ptmxmode=0666,mode=0620"}};
  plan.masked_paths = {"/proc/kcore", "/proc/keys", "/proc/acpi"};
  plan.read_only_paths = {"/proc/sys"};
  plan.hostname = "bag";
  plan.process.argv = std::move(argv);
  plan.process.env = {"PATH=/bin"};
  return plan;
}

struct Outcome {
  int status = 0;
  std::string output;
};

inline Outcome run(const LaunchPlan& plan) {
  sys::Pair pipe = sys::pipe() | or_throw("pipe");
  const Fd null = sys::openat(AT_FDCWD, "/dev/null", O_RDWR) | or_throw("null");
  Launched launched = Launched::begin(plan, {null.get(), pipe.second.get(), pipe.second.get()});
  launched.start();
  pipe.second.reset();
  Outcome outcome;
  char buffer[4096];
  while (const std::size_t count = sys::read(pipe.first.get(), buffer, sizeof buffer) | or_throw("read")) {
    outcome.output.append(buffer, count);
  }
  outcome.status = sys::wait_pidfd(launched.pidfd()) | or_throw("wait");
  return outcome;
}

inline int exit_code_of_failure(const LaunchPlan& plan) {
  try {
    run(plan);
  } catch (const LaunchError& error) {
    return error.exit_code();
  }
  return 0;
}

}  // namespace sandbox::userns
