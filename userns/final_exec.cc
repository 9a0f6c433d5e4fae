#include "userns/final_exec.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>

#include "sandbox/base/sys.h"
#include "userns/channel.h"
#include "userns/filter_load.h"
#include "userns/interpreter.h"

namespace sandbox::userns {
namespace {

std::string_view path_variable(const std::vector<std::string>& env) {
  for (const std::string& entry : env) {
    if (entry.starts_with("PATH=")) return std::string_view(entry).substr(5);
  }
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

template <class... Args>
[[noreturn]] void send_and_exit(int channel, int exit_code, const char* format, Args... words) noexcept {
  char message[1024];
  message[0] = static_cast<char>(Word::failed);
  message[1] = static_cast<char>(exit_code);
  const int size = ::snprintf(message + 2, sizeof message - 2, format, words...);
  const auto length = static_cast<std::size_t>(2 + (size < 0 ? 0 : std::min<int>(size, 1020)));
  (void)sys::write(channel, message, length);
  ::_exit(exit_code);
}

const char* reason_of(int error) noexcept {
  const char* reason = ::strerrordesc_np(error);
  return reason != nullptr ? reason : "unknown error";
}

[[noreturn]] void fail(int channel, int exit_code, const char* stage, const char* object, int error) noexcept {
  if (*object == 0) send_and_exit(channel, exit_code, "%s: %s", stage, reason_of(error));
  send_and_exit(channel, exit_code, "%s '%s': %s", stage, object, reason_of(error));
}

/// In the words of Docker and runc, by which engines tell what went wrong.
[[noreturn]] void fail_exec(int channel, const char* program, int error) noexcept {
  const bool missing = error == ENOENT || error == ENOTDIR;
  if (missing && ::strchr(program, '/') == nullptr) {
    send_and_exit(channel, 127, "exec: \"%s\": executable file not found in $PATH", program);
  }
  if (missing) send_and_exit(channel, 127, "exec: \"%s\": stat %s: no such file or directory", program, program);
  if (error == EACCES) send_and_exit(channel, 126, "exec: \"%s\": permission denied", program);
  send_and_exit(channel, 126, "exec: \"%s\": %s", program, reason_of(error));
}

void set_limits(const ProcessPlan& process, int channel) noexcept {
  for (const Rlimit& limit : process.rlimits) {
    const rlimit value{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) == 0) continue;
    const char* hint = errno == EPERM ? " (only the host's root may raise a hard limit)" : "";
    send_and_exit(channel, 125, "setting resource limit %d to %llu, at most %llu: %s%s", limit.resource,
                  static_cast<unsigned long long>(limit.soft), static_cast<unsigned long long>(limit.hard),
                  reason_of(errno), hint);
  }
}

void drop_bounding_set(std::uint64_t keep, int channel) noexcept {
  for (unsigned long number = 0; number < 64; ++number) {
    if ((keep >> number & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) {
      if (errno == EINVAL) return;  // beyond the last capability of this kernel
      fail(channel, 125, "dropping a capability", "", errno);
    }
  }
}

void set_identity(const ProcessPlan& process, int channel) noexcept {
  if (process.groups && ::setgroups(process.groups->size(), process.groups->data()) < 0) {
    fail(channel, 125, "setting supplementary groups", "", errno);
  }
  if (::setresgid(process.gid, process.gid, process.gid) < 0) fail(channel, 125, "setting the group", "", errno);
  // Another user than root keeps what it is to have until set_capabilities(); execve(2) clears the flag.
  ::prctl(PR_SET_KEEPCAPS, 1);
  if (::setresuid(process.uid, process.uid, process.uid) < 0) fail(channel, 125, "setting the user", "", errno);
}

/// Inheritable and ambient stay empty unless they are asked for by name (CVE-2022-24769).
CapabilitySets planned_sets(const ProcessPlan& process) noexcept {
  if (process.capability_sets) return *process.capability_sets;
  const std::uint64_t all = process.uid == 0 ? process.capabilities : 0;
  return {.permitted = all, .effective = all};
}

void set_capabilities(const CapabilitySets& sets, int channel) noexcept {
  const auto set = sys::capset({sets.permitted, sets.effective, sets.inheritable});
  if (!set) fail(channel, 125, "setting capabilities", "", set.error().value);
}

void raise_ambient(std::uint64_t ambient, int channel) noexcept {
  for (unsigned long number = 0; number < 64; ++number) {
    if ((ambient >> number & 1) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0) fail(channel, 125, "raising an ambient capability", "", errno);
  }
}

/// A change of identity has cleared the death signal (prctl(2)); it is no use when the supervisor is already gone.
void die_with_supervisor(int channel) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pollfd peer{channel, 0, 0};
  if (::poll(&peer, 1, 0) > 0 && (peer.revents & POLLHUP) != 0) ::_exit(137);
}

void refuse_bad_interpreter(const char* program, int channel) noexcept {
  const BadInterpreter bad = check_interpreters(program);
  if (bad.error == 0) return;
  char stage[512];
  (void)::snprintf(stage, sizeof stage, "exec '%s': interpreter", program);
  fail(channel, bad.error == ENOENT || bad.error == ENOTDIR ? 127 : 126, stage, bad.path, bad.error);
}

/// What became of the search for a program.
struct Attempt {
  const char* name;
  int worst = ENOENT;

  void note(int error) noexcept {
    if (error != ENOENT && error != ENOTDIR) worst = error;
  }
  [[noreturn]] void fail(int channel) const noexcept { fail_exec(channel, name, worst); }
};

bool is_candidate(const char* path, Attempt& attempt) noexcept {
  // Never execute a magic link such as /proc/self/exe, which is this program (CVE-2019-5736).
  const auto program = sys::openat2(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
  if (!program) {
    attempt.note(program.error().value);
    return false;
  }
  const auto status = sys::fstat(program->get());
  if (!status || S_ISREG(status->st_mode)) return true;
  attempt.note(EACCES);  // as execve(2) says of directories and the like
  return false;
}

}  // namespace

FinalExec::FinalExec(const ProcessPlan& plan) : process(plan) {
  const std::string& program = plan.argv.at(0);
  if (program.find('/') != std::string::npos) {
    candidates.push_back(program);
  } else {
    std::string_view rest = path_variable(plan.env);
    for (bool more = true; more;) {
      const auto colon = rest.find(':');
      const std::string_view directory = rest.substr(0, colon);
      candidates.push_back(fmt::format("{}/{}", directory.empty() ? "." : directory, program));
      more = colon != std::string_view::npos;
      if (more) rest = rest.substr(colon + 1);
    }
  }
  set_words();
}

FinalExec::FinalExec(const ProcessPlan& plan, const std::string& path) : process(plan), candidates{path} { set_words(); }

void FinalExec::set_words() {
  for (const std::string& word : process.argv) argv.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& entry : process.env) env.push_back(const_cast<char*>(entry.c_str()));
  argv.push_back(nullptr);
  env.push_back(nullptr);
}

void refuse_missing_program(const FinalExec& prepared, int channel) noexcept {
  Attempt attempt{prepared.process.argv[0].c_str()};
  for (const std::string& path : prepared.candidates) {
    if (!is_candidate(path.c_str(), attempt)) continue;
    const auto executable = sys::faccessat(AT_FDCWD, path.c_str(), X_OK);
    if (executable) return;
    attempt.note(executable.error().value);
  }
  attempt.fail(channel);
}

namespace {

/// Everything but the filter. Returns the capabilities that the process has to be left with when that is loaded: without
/// no_new_privs only CAP_SYS_ADMIN of the namespace may load one (seccomp(2)).
CapabilitySets become_unprivileged(const ProcessPlan& process, int channel) noexcept {
  set_limits(process, channel);
  if (process.new_keyring) (void)::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);  // ENOSYS: no keyrings here
  drop_bounding_set(process.capabilities, channel);
  set_identity(process, channel);
  const CapabilitySets sets = planned_sets(process);
  CapabilitySets while_loading = sets;
  if (!process.no_new_privs && has_filter(process)) {
    while_loading.permitted |= std::uint64_t{1} << CAP_SYS_ADMIN;
    while_loading.effective |= std::uint64_t{1} << CAP_SYS_ADMIN;
  }
  set_capabilities(while_loading, channel);
  raise_ambient(sets.ambient, channel);
  if (process.detached) {
    ::prctl(PR_SET_PDEATHSIG, 0);
  } else {
    die_with_supervisor(channel);
  }
  ::umask(process.umask);
  if (process.no_new_privs && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
    fail(channel, 125, "setting no_new_privs", "", errno);
  }
  return sets;
}

/// The first candidate that this process may execute.
const char* find_program(const FinalExec& prepared, int channel) noexcept {
  Attempt attempt{prepared.process.argv[0].c_str()};
  for (const std::string& path : prepared.candidates) {
    if (!is_candidate(path.c_str(), attempt)) continue;
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0) {
      refuse_bad_interpreter(path.c_str(), channel);
      return path.c_str();
    }
    attempt.note(errno);
  }
  attempt.fail(channel);
}

}  // namespace

void run_final_exec(const FinalExec& prepared, int channel) noexcept {
  const ProcessPlan& process = prepared.process;
  const CapabilitySets sets = become_unprivileged(process, channel);
  const char* program = find_program(prepared, channel);
  // What follows is under the filter: as little as can be.
  if (const int error = load_filters(process, channel); error != 0) {
    fail(channel, 125, "loading the seccomp filter", "", error);
  }
  const bool has_admin = ((sets.effective & sets.permitted) >> CAP_SYS_ADMIN & 1) != 0;
  if (!process.no_new_privs && has_filter(process) && !has_admin) set_capabilities(sets, channel);
  ::execve(program, prepared.argv.data(), prepared.env.data());
  fail_exec(channel, prepared.process.argv[0].c_str(), errno);
}

}  // namespace sandbox::userns
