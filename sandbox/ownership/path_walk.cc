// See path_walk.h.
#include "sandbox/ownership/path_walk.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>

#include "sandbox/base/sys.h"

namespace sandbox::ownership {
namespace {

constexpr int kMostLinks = 40;  // path_resolution(7)

bool is_procfs(int fd) {
  const auto type = sys::fstatfs_type(fd);
  return type && *type == PROC_SUPER_MAGIC;
}

/// What a symbolic link of procfs says to `self`; "" for a magic link, whose text is no path.
std::string text_in_procfs(const std::string& name, const ProcNumbers& self) {
  if (name == "self") return self.process;
  if (name == "thread-self") return self.process + "/task/" + self.thread;
  return name == "mounts" || name == "net" ? "self/" + name : std::string();
}

}  // namespace

Result<Fd> walk_path(const std::string& path, bool follow, const ProcNumbers& self) {
  const auto open = [](int directory, const std::string& name, int flags) {
    return sys::openat(directory, name.c_str(), O_PATH | flags);
  };
  std::string rest = path;
  auto at = open(AT_FDCWD, rest.front() == '/' ? "/" : ".", 0);
  for (int links = 0; at;) {
    const auto begin = rest.find_first_not_of('/');
    if (begin == std::string::npos) return at;
    const auto end = std::min(rest.find('/', begin), rest.size());
    const std::string name = rest.substr(begin, end - begin);
    rest.erase(0, end);
    auto next = open(at->get(), name, O_NOFOLLOW);
    if (!next) return next;
    const auto status = sys::fstat(next->get());
    if (!status) return std::unexpected(status.error());
    if (!S_ISLNK(status->st_mode) || (rest.empty() && !follow)) {
      at = std::move(next);
      continue;
    }
    if (++links > kMostLinks) return std::unexpected(Errno{ELOOP});
    const bool in_procfs = is_procfs(next->get());
    const std::string known = in_procfs ? text_in_procfs(name, self) : std::string();
    if (in_procfs && known.empty()) {
      at = open(at->get(), name, 0);
      continue;
    }
    auto target = in_procfs ? Result<std::string>(known) : sys::readlinkat(next->get(), "");
    if (!target) return std::unexpected(target.error());
    if (target->size() + rest.size() > PATH_MAX) return std::unexpected(Errno{ENAMETOOLONG});
    rest = *target + rest;
    if (rest.front() == '/') at = open(AT_FDCWD, "/", 0);
  }
  return at;
}

}  // namespace sandbox::ownership
