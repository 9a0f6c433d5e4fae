// Confinement of the network helper, which parses frames that the container's root writes.
// Applied in the helper after set-up. What remains: its descriptors, Internet sockets, memory,
// and reading the resolver's configuration, which libslirp reads again for every change.
//
// Landlock binds a rule to what a path names now. /etc/resolv.conf may be replaced by rename at any time, so the
// rule is about its directory: files in /etc that any user may read stay readable, and nothing can be listed.
#include "netstack/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "sandbox/base/confinement.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

void set_limit(__rlimit_resource_t resource, const rlimit& limit, const char* what) {
  if (::setrlimit(resource, &limit) < 0) throw SysError(Errno{errno}, what);
}

void limit_resources(rlim_t reserved) {
  // Of the machine's some 28,000 ephemeral ports others want theirs; and a connection takes libslirp up to 400 KiB.
  constexpr rlim_t kMostSockets = 4096, kMostMemory = rlim_t{2} << 30;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) < 0) throw SysError(Errno{errno}, "reading the limit of open files");
  // Every connection of the container takes a descriptor. poll(2) takes as many as may be open.
  files.rlim_max = std::min(files.rlim_max, kMostSockets + reserved);
  files.rlim_cur = files.rlim_max - std::min(reserved, files.rlim_max / 2);
  set_limit(RLIMIT_NOFILE, files, "setting the limit of open files");
  // Of memory a sanitizer has terabytes, though it touches little.
  if constexpr (!kSanitized)
    set_limit(RLIMIT_DATA, {.rlim_cur = kMostMemory, .rlim_max = kMostMemory}, "setting the limit of memory");
  set_limit(RLIMIT_NPROC, {.rlim_cur = 0, .rlim_max = 0}, "forbidding new processes");
}

void restrict_files() {
  const PathRules rules(1);
  for (const char* path : {"/etc", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"}) {
    // Absent on this machine: nothing to allow.
    if (const auto place = sys::openat(AT_FDCWD, path, O_PATH)) rules.allow(place->get(), LANDLOCK_ACCESS_FS_READ_FILE);
  }
  rules.apply();
}

constexpr int kPlainCalls[] = {
    // descriptors
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fcntl),
    SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    // sockets; socket(2) itself is limited to the Internet below
    SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(sendto),
    SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
    // memory, time, signals, end
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(futex),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group)};

void filter_calls(bool has_reserve) {
  CallFilter filter(SCMP_ACT_KILL_PROCESS);
  for (const int call : kPlainCalls) filter.add(SCMP_ACT_ALLOW, call);
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    filter.add(SCMP_ACT_ALLOW, call, argument_lacks(2, PROT_EXEC));
  }
  constexpr auto kNotReading = static_cast<std::uint64_t>(O_ACCMODE | O_CREAT | O_TRUNC);
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(openat), argument_lacks(2, kNotReading));
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(open), argument_lacks(1, kNotReading));
  for (const int family : {AF_INET, AF_INET6}) {
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(socket), argument_is(0, static_cast<std::uint64_t>(family)));
  }
  // The C library and GLib try these for names and logs, and do without.
  for (const int family : {AF_UNIX, AF_NETLINK}) {
    filter.add(SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), argument_is(0, static_cast<std::uint64_t>(family)));
  }
  for (const std::uint64_t request : {std::uint64_t{FIONREAD}, std::uint64_t{FIONBIO}, std::uint64_t{0x8905}}) {
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), argument_is(1, request));  // 0x8905: SIOCATMARK
  }
  filter.add(SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), argument_is(1, TCGETS));
  if (has_reserve) filter.add(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), argument_is(0, 0), argument_is(1, RLIMIT_NOFILE));
  filter.load(false);
}

}  // namespace

void confine(unsigned reserved) {
  keep_capabilities(0);
  limit_resources(reserved);
  forbid_gain();
  restrict_files();
  filter_calls(reserved > 0);
}

Headroom::Headroom() noexcept {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) < 0) return;
  usual_ = std::exchange(files.rlim_cur, files.rlim_max);
  (void)::setrlimit(RLIMIT_NOFILE, &files);
}

Headroom::~Headroom() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) < 0) return;
  files.rlim_cur = usual_;
  (void)::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace sandbox::netstack
