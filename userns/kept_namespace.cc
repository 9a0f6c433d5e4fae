#include "userns/kept_namespace.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/places.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sealed_program.h"
#include "sandbox/base/sys.h"
#include "userns/id_map.h"

namespace sandbox::userns {
namespace {

constexpr time_t idle_limit = 15 * 60;  // seconds without a use, after which the parked process goes
constexpr time_t idle_check = 60;

std::string record_path(const std::string& runtime) { return runtime + "/userns.json"; }

IdentityPlan identity_of(const SubordinateIds& ids) {
  return {.uid_map = map_with_ranges(::getuid(), ids.uids), .gid_map = map_with_ranges(::getgid(), ids.gids)};
}

Json maps_to_json(const IdentityPlan& identity) {
  Json maps = Json::array();
  for (const auto* map : {&identity.uid_map, &identity.gid_map}) {
    Json lines = Json::array();
    for (const IdMapping& line : *map) lines.push_back({line.inside, line.outside, line.count});
    maps.push_back(std::move(lines));
  }
  return maps;
}

/// The parked process as recorded; none when the record is missing, damaged or of other maps.
struct Parked {
  int pid = 0;
  std::uint64_t start = 0;
  std::string program;  ///< Identity of the file that it executes, or a copy of.
};
std::optional<Parked> read_record(const std::string& path, const Json& maps) {
  try {
    const Json document = parse_json(read_file(path), path);
    if (document.at("maps") != maps) return {};
    return Parked{document.at("pid").get<int>(), document.at("start").get<std::uint64_t>(), document.value("program", "")};
  } catch (const std::exception&) {
    return {};
  }
}

bool is_alive(int pidfd) {
  pollfd item{pidfd, POLLIN, 0};
  return ::poll(&item, 1, 0) == 0;
}

Fd open_of(const Parked& parked, const char* name) {
  auto file = sys::openat(AT_FDCWD, fmt::format("/proc/{}/{}", parked.pid, name).c_str(), O_RDONLY);
  return file ? std::move(*file) : Fd{};
}

/// What the process holds, if it is the recorded one and the namespace is ours; false otherwise.
bool take_from(const Parked& parked, KeptNamespace& kept) {
  const auto pidfd = sys::pidfd_open(parked.pid);
  if (!pidfd || process_start_time(parked.pid) != parked.start) return false;
  Fd user_ns = open_of(parked, "ns/user");
  Fd program = parked.program == program_identity() ? if_sealed(open_of(parked, "exe")) : Fd{};
  uid_t owner = 0;
  // Still alive after the open: then the path was of this very process (pidfd_open(2)).
  if (!user_ns || !is_alive(pidfd->get())) return false;
  if (::ioctl(user_ns.get(), NS_GET_OWNER_UID, &owner) < 0 || owner != ::geteuid()) return false;
  kept.user_ns = std::move(user_ns);
  kept.program = std::move(program);
  return true;
}

/// In the new process: waits for its maps, and becomes the small program that keeps the namespace.
[[noreturn]] void become_parked(int gate, int program, const std::string& record) noexcept {
  char byte = 0;
  const auto count = sys::read(gate, &byte, 1);
  if (!count || *count != 1) ::_exit(1);
  ::setsid();
  if (::setresgid(0, 0, 0) < 0 || ::setresuid(0, 0, 0) < 0 || ::chdir("/") < 0) ::_exit(1);
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) {
    if (null < 0 || ::dup2(null, fd) < 0) ::_exit(1);
  }
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  char* const argv[] = {const_cast<char*>("sbx:userns"), const_cast<char*>("helper"), const_cast<char*>("park"),
                        const_cast<char*>(record.c_str()), nullptr};
  char* const env[] = {nullptr};
  ::execveat(program, "", argv, env, AT_EMPTY_PATH);
  ::_exit(127);
}

void park_process(const std::string& record, const IdentityPlan& identity, const Json& maps, KeptNamespace& kept) {
  Fd program = sealed_program();
  if (!program) program = sys::openat(AT_FDCWD, "/proc/self/exe", O_PATH) | or_throw("opening '/proc/self/exe'");
  sys::Pair gate = sys::pipe() | or_throw("making a pipe");
  sys::Cloned child = sys::clone3(CLONE_NEWUSER) | or_throw("making a user namespace");
  if (child.pid == 0) {
    gate.second.reset();
    become_parked(gate.first.get(), program.get(), record);
  }
  try {
    write_id_maps(child.pid, identity);
    const Parked parked{child.pid, process_start_time(child.pid), program_identity()};
    if (!take_from(parked, kept)) throw Error("the process that keeps the user namespace has died");
    kept.program = if_sealed(std::move(program));
    const Json document{{"pid", parked.pid}, {"start", parked.start}, {"program", parked.program}, {"maps", maps}};
    write_file_atomic(record, document.dump(), false);
    sys::write_all(gate.second.get(), "g", 1) | or_throw("letting the parked process go");
  } catch (...) {
    (void)sys::pidfd_send_signal(child.pidfd.get(), SIGKILL);
    (void)sys::wait_pidfd(child.pidfd.get());
    throw;
  }
}

}  // namespace

KeptNamespace keep_namespace(const std::string& runtime, const SubordinateIds& ids) {
  const IdentityPlan identity = identity_of(ids);
  const Json maps = maps_to_json(identity);
  const std::string record = record_path(runtime);
  KeptNamespace kept{.user_ns = {}, .program = {}, .uid_map = identity.uid_map, .gid_map = identity.gid_map};
  const auto find = [&] {
    const auto parked = read_record(record, maps);
    return parked && take_from(*parked, kept);
  };
  if (find()) {
    (void)::utimensat(AT_FDCWD, record.c_str(), nullptr, 0);  // in use: the parked process looks at this
    return kept;
  }
  const FileLock lock(runtime + "/userns.lock");
  if (!find()) park_process(record, identity, maps, kept);
  return kept;
}

void enter_namespace(int user_ns) {
  sys::setns(user_ns, CLONE_NEWUSER) | or_throw("joining your user namespace");
  if (::setresgid(0, 0, 0) < 0 || ::setresuid(0, 0, 0) < 0) throw SysError(Errno{errno}, "becoming root of your user namespace");
}

namespace {

std::string ask_beyond(const std::function<void()>& enter, const std::function<std::string()>& act) {
  return ask_child([&] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the change of ids has cleared it (prctl(2))
    return act();
  });
}

std::function<std::string()> without_answer(const std::function<void()>& act) {
  return [&act] { return act(), std::string(); };
}

void enter_own_namespace() {
  const IdentityPlan identity{.uid_map = {{0, ::geteuid(), 1}}, .gid_map = {{0, ::getegid(), 1}}};
  sys::unshare(CLONE_NEWUSER) | or_throw("making a user namespace");
  write_own_id_maps(identity);
}

}  // namespace

std::string ask_in_namespace(int user_ns, const std::function<std::string()>& act) {
  return ask_beyond([user_ns] { enter_namespace(user_ns); }, act);
}

std::string ask_in_own_namespace(const std::function<std::string()>& act) {
  return ask_beyond(enter_own_namespace, act);
}

void run_in_namespace(int user_ns, const std::function<void()>& act) {
  (void)ask_in_namespace(user_ns, without_answer(act));
}

void run_in_own_namespace(const std::function<void()>& act) { (void)ask_in_own_namespace(without_answer(act)); }

void remove_tree_of_all_ids(const std::string& path) {
  try {
    return remove_tree(path);
  } catch (const SysError& error) {
    if (error.code() != EACCES && error.code() != EPERM) throw;
    const SubordinateIds ids = read_subordinate_ids();
    if (!ids.complete()) throw;
    const Places places = find_places();
    make_places(places);
    const KeptNamespace kept = keep_namespace(places.runtime, ids);
    run_in_namespace(kept.user_ns.get(), [&] { remove_tree(path); });
  }
}

int park_main(const std::string& record) {
  ::prctl(PR_SET_NAME, "sbx:userns");
  const Parked self{::getpid(), process_start_time(::getpid()), {}};
  for (;;) {
    const timespec pause{idle_check, 0};
    ::nanosleep(&pause, nullptr);
    try {
      const Json document = parse_json(read_file(record), record);
      if (document.at("pid") != self.pid || document.at("start") != self.start) return 0;
      const auto status = sys::fstatat(AT_FDCWD, record.c_str(), 0) | or_throw("reading '{}'", record);
      if (status.st_mtime + idle_limit < ::time(nullptr)) return 0;
    } catch (const std::exception&) {
      return 0;  // no record leads here any more
    }
  }
}

}  // namespace sandbox::userns
