#include "userns/late_mounts.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "userns/mounts.h"

namespace sandbox::userns {
namespace {

Fd open_namespace(pid_t process, const char* name) {
  const std::string path = fmt::format("/proc/{}/ns/{}", process, name);
  return sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
}

bool is_own(const Fd& file, const char* name) {
  const std::string own = fmt::format("/proc/self/ns/{}", name);
  const auto ours = sys::fstatat(AT_FDCWD, own.c_str(), 0) | or_throw("reading '{}'", own);
  const auto theirs = sys::fstat(file.get()) | or_throw("reading the status of a namespace");
  return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/// With the container's rights from here on, still at the caller's place. It stays in the caller's pid namespace, where
/// nothing of the container's can reach it.
void take_rights(const Fd& user_namespace) {
  if (is_own(user_namespace, "user")) return;
  sys::setns(user_namespace.get(), CLONE_NEWUSER) | or_throw("joining the container's user namespace");
  // EINVAL: it has no root for us.
  if (::setresgid(0, 0, 0) < 0 && errno != EINVAL) throw SysError(Errno{errno}, "setresgid 0");
  if (::setresuid(0, 0, 0) < 0 && errno != EINVAL) throw SysError(Errno{errno}, "setresuid 0");
}

/// Our own copy of the caller's mounts is one that these rights count in.
void copy_mounts() {
  sys::unshare(CLONE_NEWNS) | or_throw("making a mount namespace");
  sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) | or_throw("making the mounts private");
}

/// setns(2) makes the root of the namespace that of the process.
Fd enter_mounts(const Fd& mount_namespace) {
  sys::setns(mount_namespace.get(), CLONE_NEWNS) | or_throw("joining the container's mount namespace");
  return sys::openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY) | or_throw("opening the container's root");
}

/// `act(user, mounts)` in a child, with the container's namespaces; its error comes back.
template <class Act>
void in_child(pid_t container, const Act& act) {
  const Fd user = open_namespace(container, "user"), mounts = open_namespace(container, "mnt");
  (void)ask_child([&]() -> std::string {
    ::prctl(PR_SET_DUMPABLE, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    act(user, mounts);
    return {};
  });
}

}  // namespace

void mount_in(pid_t container, const std::vector<MountOp>& mounts) {
  LaunchPlan plan;
  plan.mounts = mounts;
  plan.populate_dev = false;
  in_child(container, [&](const Fd& user, const Fd& mount_namespace) {
    ::umask(0);
    take_rights(user);
    copy_mounts();
    const std::vector<Fd> sources = clone_sources(plan.mounts);
    const Fd root = enter_mounts(mount_namespace);
    close_to_writers(apply_mounts(root.get(), plan, sources, std::vector<Fd>(sources.size())));
  });
}

void unmount_in(pid_t container, const std::vector<std::string>& targets) {
  in_child(container, [&](const Fd& user, const Fd& mount_namespace) {
    take_rights(user);
    const Fd root = enter_mounts(mount_namespace);
    for (const std::string& target : targets) {
      const Fd parent = open_in_root(root.get(), parent_of(target), O_PATH | O_DIRECTORY);
      if (::fchdir(parent.get()) < 0) throw SysError(Errno{errno}, fmt::format("unmounting '{}'", target));
      sys::umount2(name_of(target).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) | or_throw("unmounting '{}'", target);
    }
  });
}

}  // namespace sandbox::userns
