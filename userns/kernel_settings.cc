#include "userns/kernel_settings.h"

#include <errno.h>
#include <linux/magic.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <string>

#include "sandbox/base/sys.h"

namespace sandbox::userns {
namespace {

/// A file of procfs itself, behind no mount on top of it. Symbolic links are none but /proc/self.
Fd open_proc_file(const std::string& path, int flags, const std::string& what) {
  const Fd proc = sys::openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY) | or_throw("opening '/proc'");
  const std::uint64_t type = sys::fstatfs_type(proc.get()) | or_throw("reading the type of '/proc'");
  if (type != PROC_SUPER_MAGIC) throw Error(fmt::format("{}: '/proc' is not procfs", what));
  return sys::openat2(proc.get(), path.c_str(), flags, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS) |
         or_throw("{}", what);
}

std::string read_small(const Fd& fd, const std::string& what) {
  char buffer[64];
  const std::size_t size = sys::read(fd.get(), buffer, sizeof buffer) | or_throw("{}", what);
  const std::string_view text(buffer, size);
  return std::string(text.substr(0, text.find('\n')));
}

/// As sysctl(8) reads names: whichever of "." and "/" comes first separates, and the other is part of a name.
std::string path_of(std::string name) {
  if (const auto first = name.find_first_of("./"); first == std::string::npos || name[first] == '/') return name;
  for (char& c : name) {
    if (c == '.') {
      c = '/';
    } else if (c == '/') {
      c = '.';
    }
  }
  return name;
}

/// To the first of these files of the calling thread that this kernel has.
void write_attribute(const std::string& value, std::initializer_list<const char*> names, const std::string& what) {
  Fd file;
  for (const char* name : names) {
    const bool last = name == *std::prev(names.end());
    try {
      file = open_proc_file(fmt::format("thread-self/{}", name), O_WRONLY, what);
      break;
    } catch (const SysError& error) {
      if (last || error.code() != ENOENT) throw;
    }
  }
  sys::write_all(file.get(), value.data(), value.size()) | or_throw("{}", what);
}

}  // namespace

void set_oom_score_adj(pid_t pid, std::int32_t value) {
  const std::string what = fmt::format("setting the OOM score adjustment to {}", value);
  const std::string path = (pid > 0 ? std::to_string(pid) : "self") + "/oom_score_adj";
  const std::string text = std::to_string(value);
  if (read_small(open_proc_file(path, O_RDONLY, what), what) == text) return;
  const Fd file = open_proc_file(path, O_WRONLY, what);
  const auto written = sys::write_all(file.get(), text.data(), text.size());
  if (written) return;
  throw SysError(
      written.error(), what,
      written.error().value == EACCES ? "an ordinary user can only make a process more likely to be killed" : "");
}

void set_clock_offsets(const std::vector<ClockOffset>& offsets) {
  for (const ClockOffset& offset : offsets) {
    const std::string what = fmt::format("setting the offset of the {} clock", offset.clock);
    const std::string line = fmt::format("{} {} {}\n", offset.clock, offset.seconds, offset.nanoseconds);
    const Fd file = open_proc_file("self/timens_offsets", O_WRONLY, what);
    const auto written = sys::write_all(file.get(), line.data(), line.size());
    if (written) continue;
    throw SysError(written.error(), what,
                   written.error().value == ERANGE ? "no clock of the namespace may become negative, or overflow" : "");
  }
}

void set_exec_labels(const ProcessPlan& process) {
  if (const std::string& profile = process.apparmor_profile; !profile.empty()) {
    write_attribute("exec " + profile, {"attr/apparmor/exec", "attr/exec"},
                    fmt::format("applying the AppArmor profile '{}'", profile));
  }
  if (const std::string& label = process.selinux_label; !label.empty()) {
    write_attribute(label, {"attr/exec"}, fmt::format("applying the SELinux label '{}'", label));
  }
}

bool is_sysctl_of(std::string_view name, NamespaceKind kind) {
  constexpr std::array<std::string_view, 8> of_ipc = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                                      "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                                      "kernel.shmmni", "kernel.shm_rmid_forced"};
  if (kind == NamespaceKind::ipc)
    return name.starts_with("fs.mqueue.") || std::ranges::find(of_ipc, name) != of_ipc.end();
  return kind == NamespaceKind::network && name.starts_with("net.");
}

void write_sysctls(const std::vector<Sysctl>& sysctls) {
  for (const Sysctl& sysctl : sysctls) {
    const std::string path = "sys/" + path_of(sysctl.name);
    const std::string what = fmt::format("setting the kernel parameter '{}' to '{}'", sysctl.name, sysctl.value);
    const Fd file = open_proc_file(path, O_WRONLY, what);
    sys::write_all(file.get(), sysctl.value.data(), sysctl.value.size()) | or_throw("{}", what);
  }
}

}  // namespace sandbox::userns
