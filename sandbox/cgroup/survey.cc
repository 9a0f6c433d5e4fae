#include "sandbox/cgroup/survey.h"

#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox::cgroup {
namespace {

std::vector<std::string> read_controllers(const std::string& directory) {
  try {
    return split_words(read_file(directory + "/cgroup.controllers"));
  } catch (const SysError&) {
    return {};  // no such cgroup, so no controllers in it
  }
}

/// What cgroups(7) has a manager give to whom it delegates a subtree.
bool is_writable(const std::string& directory) {
  for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control"}) {
    if (!sys::faccessat(AT_FDCWD, (directory + file).c_str(), W_OK)) return false;
  }
  return true;
}

/// Our user id on the host: a supervisor with a range of ids is root of the user's namespace.
std::uint32_t host_uid() { return outside_id(read_file("/proc/self/uid_map"), ::geteuid()).value_or(::geteuid()); }

std::string find_manager_bus(std::uint32_t uid) {
  const char* runtime = ::getenv("XDG_RUNTIME_DIR");
  // Absent under su, cron and batch jobs, where the session may exist all the same.
  const std::string path =
      runtime != nullptr && *runtime == '/' ? fmt::format("{}/bus", runtime) : fmt::format("/run/user/{}/bus", uid);
  return sys::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK) ? path : std::string();
}

std::string find_batch_job() {
  const char* job = ::getenv("SLURM_JOB_ID");
  return job != nullptr ? job : "";
}

}  // namespace

Surroundings survey() {
  Surroundings found;
  found.batch_job = find_batch_job();
  const std::string own = read_file("/proc/self/cgroup");
  const auto path = unified_path(own);
  const auto mount = find_cgroup2(read_file("/proc/self/mountinfo", 16U << 20));
  const bool legacy = has_legacy_controllers(own);
  if (!path || !mount) {
    found.layout = legacy ? Layout::legacy : Layout::none;
    return found;
  }
  found.layout = legacy ? Layout::hybrid : Layout::unified;
  found.mount = mount;
  if (const std::string directory = directory_of(*mount, *path); !directory.empty()) {
    found.directory = base_of(directory);
    found.writable = is_writable(found.directory);
    found.controllers = read_controllers(found.directory);
  }
  if (legacy) return found;
  found.uid = host_uid();
  found.manager_bus = find_manager_bus(found.uid);
  // The cgroup that systemd gives to a user's manager (systemd.slice(5), user@.service(5)).
  const std::string manager = fmt::format("/user.slice/user-{0}.slice/user@{0}.service", found.uid);
  if (const std::string directory = directory_of(*mount, manager); !found.manager_bus.empty() && !directory.empty()) {
    found.manager_controllers = read_controllers(directory);
  }
  return found;
}

}  // namespace sandbox::cgroup
