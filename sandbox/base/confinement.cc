#include "sandbox/base/confinement.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/sys.h"

#ifdef __SANITIZE_ADDRESS__
namespace {
bool is_unreadable = false;
}
/// Looked up by name by LeakSanitizer, which would have to read a process that forbid_gain() has made unreadable.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return is_unreadable ? 1 : 0; }
#endif

namespace sandbox {
namespace {

/// What the run-time libraries of AddressSanitizer and ThreadSanitizer call beside the program.
constexpr int kCallsOfSanitizers[] = {SCMP_SYS(sigaltstack), SCMP_SYS(prctl), SCMP_SYS(getrlimit),
                                      SCMP_SYS(prlimit64), SCMP_SYS(readlink), SCMP_SYS(getppid),
                                      SCMP_SYS(sched_getaffinity), SCMP_SYS(set_robust_list), SCMP_SYS(clock_getres),
                                      SCMP_SYS(pipe2)};

Result<void> checked(long status) {
  if (status < 0) return std::unexpected(Errno{errno});
  return {};
}

}  // namespace

void keep_capabilities(std::uint64_t kept) {
  // Without ambient capabilities EINVAL is possible on old kernels only; capset decides.
  static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  sys::capset({.permitted = kept, .effective = kept}) | or_throw("dropping capabilities of a helper");
}

void forbid_gain() {
  const rlimit nothing{.rlim_cur = 0, .rlim_max = 0};
  checked(::setrlimit(RLIMIT_CORE, &nothing)) | or_throw("forbidding core dumps");
  checked(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) | or_throw("making a helper unreadable to other processes");
  checked(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) | or_throw("setting no_new_privs in a helper");
#ifdef __SANITIZE_ADDRESS__
  is_unreadable = true;
#endif
}

PathRules::PathRules(long least_abi) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1 || abi < least_abi) return;
  constexpr std::uint64_t kTruncate = 1ULL << 14;  // Newer than the header of some distributions.
  rights_ = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  if (abi >= 2) rights_ |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) rights_ |= kTruncate;
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = rights_;
  ruleset_ = Fd(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0)));
  if (!ruleset_) throw SysError(Errno{errno}, "making the Landlock rules of a helper");
}

std::uint64_t PathRules::reading() const {
  return rights_ & (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
}

void PathRules::allow(int fd, std::uint64_t rights) const {
  if (!ruleset_) return;
  landlock_path_beneath_attr rule{.allowed_access = rights, .parent_fd = fd};
  checked(::syscall(SYS_landlock_add_rule, ruleset_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) |
      or_throw("allowing a helper its files");
}

void PathRules::apply() const {
  if (!ruleset_) return;
  checked(::syscall(SYS_landlock_restrict_self, ruleset_.get(), 0)) | or_throw("applying Landlock");
}

CallFilter::CallFilter(std::uint32_t otherwise) : context_(::seccomp_init(otherwise), &::seccomp_release) {
  if (!context_) throw Error("making the seccomp filter of a helper failed");
}

void CallFilter::add_rule(std::uint32_t action, int call, const scmp_arg_cmp* list, std::size_t size) {
  const int status = ::seccomp_rule_add_array(context_.get(), action, call, static_cast<unsigned>(size), list);
  if (status < 0) throw SysError(Errno{-status}, fmt::format("adding system call {} to a seccomp filter", call));
}

void CallFilter::load(bool all_threads) {
  if constexpr (kSanitized) {
    for (const int call : kCallsOfSanitizers) add(SCMP_ACT_ALLOW, call);
  }
  int status = ::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, all_threads ? 1 : 0);
  if (status == 0) status = ::seccomp_load(context_.get());
  if (status < 0) throw SysError(Errno{-status}, "loading the seccomp filter of a helper");
}

}  // namespace sandbox
