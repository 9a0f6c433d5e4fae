// Confinement of the overlay helper, whose requests come from the container. What remains: files of the
// layers, the device's channels, memory.
#include "fuse-overlay/server/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "sandbox/base/confinement.h"

namespace sandbox::overlay {
namespace {

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

/// Over files whose owner the container's user namespace maps, the server may do what the container's root may.
constexpr std::uint64_t kKept = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER) |
                                bit(CAP_FSETID) | bit(CAP_SETFCAP);

constexpr int kPlainCalls[] = {
    // descriptors and data
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
    SCMP_SYS(copy_file_range), SCMP_SYS(splice), SCMP_SYS(vmsplice), SCMP_SYS(pipe2), SCMP_SYS(close), SCMP_SYS(lseek),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fadvise64), SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    // names
    SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(fstatfs),
    SCMP_SYS(getdents64), SCMP_SYS(readlinkat), SCMP_SYS(mkdirat), SCMP_SYS(mknodat), SCMP_SYS(symlinkat),
    SCMP_SYS(linkat), SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2),
    // attributes
    SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fchownat), SCMP_SYS(utimensat), SCMP_SYS(getxattr),
    SCMP_SYS(lgetxattr), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(listxattr), SCMP_SYS(llistxattr),
    SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(fgetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(flistxattr),
    // memory, threads, end
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(sched_yield),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(getrandom), SCMP_SYS(getpid),
    SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group)};

}  // namespace

void confine_files(const std::vector<int>& read_only, const std::vector<int>& writable) {
  keep_capabilities(kKept);
  forbid_gain();
  // Before ABI 2 (Linux 5.19) Landlock forbids every rename from one directory to another, and the upper
  // layer is fed by such.
  const PathRules rules(2);
  for (const int fd : read_only) rules.allow(fd, rules.reading());
  for (const int fd : writable) rules.allow(fd, rules.everything());
  rules.apply();
}

void confine_calls() {
  // Refused, not killed: a C library that uses a newer call for the same thing must not take the container's
  // files away.
  CallFilter filter(SCMP_ACT_ERRNO(ENOSYS));
  for (const int call : kPlainCalls) filter.add(SCMP_ACT_ALLOW, call);
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    filter.add(SCMP_ACT_ALLOW, call, argument_lacks(2, PROT_EXEC));
  }
  for (const int command : {F_GETFL, F_SETFL, F_SETFD, F_GETFD, F_GETPIPE_SZ, F_SETPIPE_SZ}) {
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), argument_is(1, static_cast<std::uint64_t>(command)));
  }
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), argument_is(1, std::uint64_t{FICLONE}));
  filter.load(true);
}

}  // namespace sandbox::overlay
