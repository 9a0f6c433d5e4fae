#include "sandbox/cgroup/container_cgroup.h"

#include "sandbox/base/error.h"

namespace sandbox::cgroup {

ContainerCgroup::ContainerCgroup(const std::string& path, const std::vector<Setting>& settings)
    : directory_(Directory::make(path)) {
  try {
    directory_.apply(settings);
  } catch (...) {
    directory_.remove();
    throw;
  }
}

ContainerCgroup::~ContainerCgroup() {
  if (!directory_) return;
  kill();
  directory_.remove();
}

std::uint64_t ContainerCgroup::oom_kills() const { return value_of(directory_.text("memory.events"), "oom_kill"); }

std::string cgroup_name(std::string_view id) { return fmt::format("sandbox-{}", id); }

void remove_stale(const std::string& path, std::string_view id) {
  if (!path.starts_with('/') || !path.ends_with("/" + cgroup_name(id))) return;
  const auto directory = Directory::find(path);
  if (!directory) return;
  directory->kill();
  directory->remove();
}

}  // namespace sandbox::cgroup
