// Confinement of the network helper, which parses frames that the container's root writes.
// Applied in the helper after set-up. What remains: its descriptors, Internet sockets, memory,
// and reading the resolver's configuration, which libslirp reads again for every change.
//
// Landlock binds a rule to what a path names now. /etc/resolv.conf may be replaced by rename at any time, so the
// rule is about its directory: files in /etc that any user may read stay readable, and nothing can be listed.
#include "netstack/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

Result<void> checked(long status) {
  if (status < 0) return std::unexpected(Errno{errno});
  return {};
}

void drop_capabilities() {
  // Without ambient capabilities EINVAL is possible on old kernels only; capset decides.
  static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  checked(::syscall(SYS_capset, &header, none.data())) | or_throw("dropping the capabilities of the network helper");
}

void limit_resources() {
  constexpr rlim_t kMostSockets = 65536;
  rlimit files{};
  checked(::getrlimit(RLIMIT_NOFILE, &files)) | or_throw("reading the limit of open files");
  // Every connection of the container takes a descriptor; poll(2) has no limit of its own.
  files.rlim_cur = files.rlim_max = std::min(files.rlim_max, kMostSockets);
  checked(::setrlimit(RLIMIT_NOFILE, &files)) | or_throw("setting the limit of open files");
  const rlimit nothing{.rlim_cur = 0, .rlim_max = 0};
  checked(::setrlimit(RLIMIT_CORE, &nothing)) | or_throw("forbidding core dumps");
  checked(::setrlimit(RLIMIT_NPROC, &nothing)) | or_throw("forbidding new processes");
}

// --- Landlock ------------------------------------------------------------------------------------

std::uint64_t landlock_rights(long abi) {
  constexpr std::uint64_t kTruncate = 1ULL << 14;  // Newer than the header of some distributions.
  std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  if (abi >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) rights |= kTruncate;
  return rights;
}

void allow_reading(int ruleset, const char* path) {
  Result<Fd> file = sys::openat(AT_FDCWD, path, O_PATH);
  if (!file) return;  // Absent on this machine: nothing to allow.
  landlock_path_beneath_attr rule{.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE, .parent_fd = file->get()};
  checked(::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) |
      or_throw("allowing the network helper to read '{}'", path);
}

void restrict_files() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return;
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = landlock_rights(abi);
  const Fd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0)));
  if (!ruleset) throw SysError(Errno{errno}, "making the Landlock rules of the network helper");
  for (const char* path : {"/etc", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"}) {
    allow_reading(ruleset.get(), path);
  }
  checked(::syscall(SYS_landlock_restrict_self, ruleset.get(), 0)) | or_throw("applying Landlock");
}

// --- seccomp -------------------------------------------------------------------------------------

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_KILL_PROCESS), &::seccomp_release) {
    if (!context_) throw Error("making the seccomp filter of the network helper failed");
  }
  template <class... Comparisons>
  void add(std::uint32_t action, int call, Comparisons... comparisons) {
    const std::array<scmp_arg_cmp, sizeof...(Comparisons)> list{comparisons...};
    const int status = ::seccomp_rule_add_array(context_.get(), action, call, sizeof...(Comparisons), list.data());
    if (status < 0) throw SysError(Errno{-status}, fmt::format("adding system call {} to the seccomp filter", call));
  }
  void load() {
    const int status = ::seccomp_load(context_.get());
    if (status < 0) throw SysError(Errno{-status}, "loading the seccomp filter of the network helper");
  }

 private:
  std::unique_ptr<void, decltype(&::seccomp_release)> context_;
};

scmp_arg_cmp argument_is(unsigned number, std::uint64_t value) { return {number, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp argument_lacks(unsigned number, std::uint64_t bits) { return {number, SCMP_CMP_MASKED_EQ, bits, 0}; }

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

void filter_calls() {
  Filter filter;
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
  filter.load();
}

}  // namespace

void confine() {
  drop_capabilities();
  limit_resources();
  checked(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) | or_throw("making the network helper unreadable to other processes");
  checked(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) | or_throw("setting no_new_privs in the network helper");
  restrict_files();
  filter_calls();
}

}  // namespace sandbox::netstack
