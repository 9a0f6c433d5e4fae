#include "userns/id_map.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "sandbox/base/sys.h"

namespace sandbox::userns {
namespace {

bool is_own_id_only(const std::vector<IdMapping>& map, std::uint32_t own) {
  return map.size() == 1 && map[0].count == 1 && map[0].outside == own;
}

void write_proc_file(pid_t pid, const char* name, const std::string& content) {
  const std::string path = fmt::format("/proc/{}/{}", pid, name);
  const Fd fd = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY) | or_throw("opening '{}'", path);
  sys::write_all(fd.get(), content.data(), content.size()) | or_throw("writing '{}' to '{}'", content, path);
}

/// newuidmap(1) or newgidmap(1) at work: a program with privileges, so most of its time is its start.
class Mapper {
 public:
  Mapper(const char* program, pid_t pid, const std::vector<IdMapping>& map) : program_(program) {
    std::vector<std::string> words{program, std::to_string(pid)};
    for (const IdMapping& line : map) {
      for (const std::uint32_t number : {line.inside, line.outside, line.count})
        words.push_back(std::to_string(number));
    }
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (const int error = ::posix_spawnp(&child_, program, nullptr, nullptr, argv.data(), environ); error != 0) {
      throw Unsupported(fmt::format("running '{}': {}", program, Errno{error}.message()),
                        "ask the administrator to install the package 'uidmap'");
    }
  }
  ~Mapper() {
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  Mapper(const Mapper&) = delete;
  Mapper& operator=(const Mapper&) = delete;

  void finish() {
    int status = 0;
    const pid_t child = std::exchange(child_, -1);
    if (::waitpid(child, &status, 0) != child || status != 0) {
      throw Unsupported(fmt::format("'{}' refused the id range", program_),
                        "the lines of your user in /etc/subuid and /etc/subgid must cover it");
    }
  }

 private:
  const char* program_;
  pid_t child_ = -1;
};

std::string map_text(const std::vector<IdMapping>& map) {
  std::string text;
  for (const IdMapping& line : map) text += fmt::format("{} {} {}\n", line.inside, line.outside, line.count);
  return text;
}

void write_map(pid_t pid, const char* file, const std::vector<IdMapping>& map) {
  try {
    write_proc_file(pid, file, map_text(map));
  } catch (const SysError& error) {
    const bool of_root = std::ranges::any_of(map, [](const IdMapping& line) { return line.outside == 0; });
    if (error.code() != EPERM || !of_root) throw;
    throw SysError(Errno{EPERM}, "giving a container the id of root",
                   "this takes CAP_SETFCAP (user_namespaces(7)): let what this runs in, a container, have it");
  }
}

void write_single_maps(pid_t pid, const IdentityPlan& identity) {
  write_proc_file(pid, "setgroups", "deny");
  write_map(pid, "uid_map", identity.uid_map);
  write_map(pid, "gid_map", identity.gid_map);
}

}  // namespace

void write_own_id_maps(const IdentityPlan& identity) { write_single_maps(::getpid(), identity); }

void write_id_maps(pid_t pid, const IdentityPlan& identity) {
  if (identity.nested) {
    write_map(pid, "uid_map", identity.uid_map);
    write_map(pid, "gid_map", identity.gid_map);
    return;
  }
  if (is_own_id_only(identity.uid_map, ::geteuid()) && is_own_id_only(identity.gid_map, ::getegid())) {
    return write_single_maps(pid, identity);
  }
  Mapper users("newuidmap", pid, identity.uid_map), groups("newgidmap", pid, identity.gid_map);  // side by side
  users.finish();
  groups.finish();
}

Fd make_own_namespace() {
  const IdentityPlan identity{.uid_map = {{0, ::geteuid(), 1}}, .gid_map = {{0, ::getegid(), 1}}};
  sys::Pair gate = sys::pipe() | or_throw("making a pipe");
  const sys::Cloned child = sys::clone3(CLONE_NEWUSER) | or_throw("making a user namespace");
  if (child.pid == 0) {
    gate.second.reset();
    char byte = 0;
    (void)sys::read(gate.first.get(), &byte, 1);
    ::_exit(0);
  }
  write_id_maps(child.pid, identity);
  Fd made = sys::openat(AT_FDCWD, fmt::format("/proc/{}/ns/user", child.pid).c_str(), O_RDONLY) |
            or_throw("opening a user namespace");
  gate.second.reset();
  (void)sys::wait_pidfd(child.pidfd.get());
  return made;
}

}  // namespace sandbox::userns
