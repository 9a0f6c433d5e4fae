// See confine.h.
#include "sandbox/ownership/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/confinement.h"
#include "sandbox/base/sys.h"

namespace sandbox::ownership {
namespace {

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

// Of the container's user namespace: its processes (their memory, root and descriptors) and all its files, and their
// root.
constexpr std::uint64_t kKept =
    bit(CAP_SYS_PTRACE) | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER) | bit(CAP_SYS_CHROOT);

constexpr int kPlainCalls[] = {SCMP_SYS(read),           SCMP_SYS(write),        SCMP_SYS(process_vm_readv),
                               SCMP_SYS(pwrite64),       SCMP_SYS(close),        SCMP_SYS(poll),
                               SCMP_SYS(ppoll),          SCMP_SYS(recvmsg),      SCMP_SYS(sendmsg),
                               SCMP_SYS(openat),         SCMP_SYS(openat2),      SCMP_SYS(fstat),
                               SCMP_SYS(newfstatat),     SCMP_SYS(statx),        SCMP_SYS(fstatfs),
                               SCMP_SYS(readlinkat),     SCMP_SYS(fchdir),       SCMP_SYS(chroot),
                               SCMP_SYS(fchownat),       SCMP_SYS(unlinkat),     SCMP_SYS(mkdirat),
                               SCMP_SYS(symlinkat),      SCMP_SYS(mknodat),      SCMP_SYS(umask),
                               SCMP_SYS(getxattr),       SCMP_SYS(setxattr),     SCMP_SYS(fsetxattr),
                               SCMP_SYS(prlimit64),      SCMP_SYS(capget),       SCMP_SYS(capset),
                               SCMP_SYS(pidfd_open),     SCMP_SYS(pidfd_getfd),  SCMP_SYS(getsockopt),
                               SCMP_SYS(seccomp),        SCMP_SYS(brk),          SCMP_SYS(munmap),
                               SCMP_SYS(mremap),         SCMP_SYS(madvise),      SCMP_SYS(futex),
                               SCMP_SYS(clock_gettime),  SCMP_SYS(getrandom),    SCMP_SYS(getpid),
                               SCMP_SYS(gettid),         SCMP_SYS(tgkill),       SCMP_SYS(rt_sigaction),
                               SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
                               SCMP_SYS(exit),           SCMP_SYS(exit_group)};

}  // namespace

void suspend_file_capabilities(bool suspended) {
  constexpr std::uint64_t kOfFiles = bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  sets[0].permitted = static_cast<std::uint32_t>(kKept);
  sets[0].effective = static_cast<std::uint32_t>(suspended ? kKept & ~kOfFiles : kKept);
  if (::syscall(SYS_capset, &header, sets) < 0) throw SysError(Errno{errno}, "changing what the owner helper may do");
}

Kept leave_host(const Fd& user_namespace, const std::string& upper) {
  sys::setns(user_namespace.get(), CLONE_NEWUSER) | or_throw("joining the container's user namespace");
  sys::unshare(CLONE_NEWNS) | or_throw("making a mount namespace");
  // Its mounts (binfmt_misc) come with it: what they hide must stay hidden (mount_namespaces(7)).
  Kept kept{sys::open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | AT_RECURSIVE) | or_throw("keeping '/proc'"), {}};
  if (!upper.empty()) {
    kept.upper = sys::open_tree(AT_FDCWD, upper.c_str(), OPEN_TREE_CLONE) | or_throw("keeping '{}'", upper);
  }
  sys::fchdir(kept.proc.get()) | or_throw("entering '/proc'");
  sys::chroot(".") | or_throw("leaving the host's files");
  keep_capabilities(kKept);
  forbid_gain();
  return kept;
}

void confine_calls() {
  CallFilter filter(SCMP_ACT_ERRNO(ENOSYS));
  for (const int call : kPlainCalls) filter.add(SCMP_ACT_ALLOW, call);
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    filter.add(SCMP_ACT_ALLOW, call, argument_lacks(2, PROT_EXEC));
  }
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(ioctl),
             scmp_arg_cmp{1, SCMP_CMP_MASKED_EQ, 0xFF00, std::uint64_t{SECCOMP_IOC_MAGIC} << 8});
  filter.load(false);
}

}  // namespace sandbox::ownership
