// See host_facts.h. Runs in the client; what an attempt enters or mounts ends with the child that makes it.
#include "sandbox/engine/host_facts.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <charconv>
#include <functional>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/ownership/ownership.h"

namespace sandbox::engine {
namespace {

/// Runs `act` in a child. A failure comes back as "<errno> <message>".
Trial attempt(const std::function<void()>& act) {
  std::string answer;
  try {
    answer = ask_child([&]() -> std::string {
      try {
        act();
        return {};
      } catch (const SysError& error) {
        return fmt::format("{} {}", error.code(), error.what());
      }
    });
  } catch (const Error& error) {
    return {EIO, error.what()};
  }
  if (answer.empty()) return {};
  Trial trial{EIO, answer.substr(answer.find(' ') + 1)};
  std::from_chars(answer.data(), answer.data() + answer.size(), trial.error);
  return trial;
}

void write_text(const char* path, const std::string& text) {
  const Fd file = sys::openat(AT_FDCWD, path, O_WRONLY) | or_throw("opening '{}'", path);
  sys::write_all(file.get(), text.data(), text.size()) | or_throw("writing '{}'", path);
}

/// Root of a new user namespace, and of what `flags` says, with the caller's id mapped.
void enter_namespaces(int flags) {
  const std::string uid_map = fmt::format("0 {} 1", ::getuid()), gid_map = fmt::format("0 {} 1", ::getgid());
  sys::unshare(CLONE_NEWUSER | flags) | or_throw("making a user namespace");
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", uid_map);
  write_text("/proc/self/gid_map", gid_map);
}

void try_proc() {
  enter_namespaces(CLONE_NEWNS | CLONE_NEWPID);
  (void)ask_child([]() -> std::string {  // the first process in the new pid namespace
    sys::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) | or_throw("mounting on '/proc'");
    return {};
  });
}

void try_overlay(const std::string& directory) {
  enter_namespaces(CLONE_NEWNS);
  const std::string data = fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work,userxattr", directory);
  sys::mount("overlay", (directory + "/merged").c_str(), "overlay", 0, data.c_str()) |
      or_throw("mounting overlayfs in '{}'", directory);
}

void try_fuse(const std::string& directory) {
  enter_namespaces(CLONE_NEWNS);
  const Fd device = sys::openat(AT_FDCWD, "/dev/fuse", O_RDWR) | or_throw("opening '/dev/fuse'");
  const std::string data = fmt::format("fd={},rootmode=40000,user_id=0,group_id=0", device.get());
  sys::mount("sandbox", (directory + "/merged").c_str(), "fuse", 0, data.c_str()) | or_throw("mounting through FUSE");
}

/// Where layers are merged: beside those of real containers, whose file system decides.
void try_file_systems(const Places& places, HostFacts& facts) {
  const std::string directory = fmt::format("{}/tmp/doctor-{}", places.data, random_hex(12));
  for (const char* name : {"lower", "upper", "work", "merged"}) make_directories(directory + "/" + name);
  facts.overlay = attempt([&] { try_overlay(directory); });
  facts.fuse = attempt([&] { try_fuse(directory); });
  remove_tree(directory);
}

std::optional<std::int64_t> read_setting(const char* path) {
  if (!path_exists(path)) return std::nullopt;
  const std::string text = read_file(path);
  std::int64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

void find_ids(const Places& places, HostFacts& facts) {
  const FoundRange range = find_id_range(places);
  if (range.kept) facts.ids = userns::ids_from_zero(range.kept->uid_map);
  facts.range_reason = range.reason;
  facts.range_fix = range.fix;
}

}  // namespace

HostFacts find_host_facts(const Places& places) {
  HostFacts facts;
  facts.executable = executable_path();
  facts.user_namespace = attempt([] { enter_namespaces(0); });
  facts.proc = attempt(try_proc);
  facts.max_user_namespaces = read_setting("/proc/sys/user/max_user_namespaces");
  facts.unprivileged_userns_clone = read_setting("/proc/sys/kernel/unprivileged_userns_clone");
  facts.apparmor_restrict_unprivileged_userns = read_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  find_ids(places, facts);
  facts.notifies = ownership::is_supported();
  try_file_systems(places, facts);
  facts.tap = attempt([] { enter_namespaces(CLONE_NEWNET), netstack::probe_tap(); });
  facts.veth = attempt([] { enter_namespaces(CLONE_NEWNET), netstack::probe_veth(); });
  facts.resources = probe_resources();
  facts.runtime = places.runtime;
  facts.runtime_chosen = ::getenv("SANDBOX_RUNTIME_DIR") != nullptr;
  if (const char* session = ::getenv("XDG_RUNTIME_DIR"); session != nullptr) facts.session_runtime = session;
  return facts;
}

}  // namespace sandbox::engine
