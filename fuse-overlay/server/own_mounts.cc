#include "fuse-overlay/server/own_mounts.h"

#include <sched.h>
#include <sys/mount.h>

#include <string>
#include <vector>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

/// A word of proc_pid_mountinfo(5), which writes space, tab, newline and backslash as \ooo.
std::string unescaped(std::string_view word) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\' && i + 3 < word.size()) {
      text += static_cast<char>(((word[i + 1] - '0') << 6) | ((word[i + 2] - '0') << 3) | (word[i + 3] - '0'));
      i += 3;
    } else {
      text += word[i];
    }
  }
  return text;
}

/// Where FUSE mounts of ours are, the first one first.
std::vector<std::string> own_mount_points(std::string_view mountinfo) {
  std::vector<std::string> points;
  while (!mountinfo.empty()) {
    const std::string_view line = mountinfo.substr(0, mountinfo.find('\n'));
    mountinfo.remove_prefix(std::min(line.size() + 1, mountinfo.size()));
    if (line.find(" - fuse.sandbox ") == std::string_view::npos) continue;
    std::size_t begin = 0;
    for (int field = 0; field < 4; ++field) begin = line.find(' ', begin) + 1;  // the fifth: the mount point
    points.push_back(unescaped(line.substr(begin, line.find(' ', begin) - begin)));
  }
  return points;
}

}  // namespace

void enter_own_mounts() {
  sys::unshare(CLONE_NEWNS) | or_throw("overlay: making a mount namespace");
  sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) | or_throw("overlay: making mounts private");
  const std::vector<std::string> points = own_mount_points(read_file("/proc/self/mountinfo", 16U << 20));
  // What is below another one goes with it: a point that is no mount any more is no error.
  for (auto point = points.rbegin(); point != points.rend(); ++point) (void)sys::umount2(point->c_str(), MNT_DETACH);
}

}  // namespace sandbox::overlay
