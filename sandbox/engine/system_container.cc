// See system_container.h.
#include "sandbox/engine/system_container.h"

#include <algorithm>

#include "sandbox/base/error.h"

namespace sandbox::engine {

SystemMode parse_system_mode(std::string_view word) {
  if (word.empty() || word == "auto" || word == "true") return SystemMode::automatic;
  if (word == "always") return SystemMode::always;
  if (word == "false") return SystemMode::never;
  throw UsageError(fmt::format("invalid argument \"{}\" for \"--systemd\" flag: auto, always or false", word));
}

bool is_init(std::string_view program) {
  constexpr std::string_view known[] = {"/sbin/init",           "/usr/sbin/init",           "/usr/local/sbin/init",
                                        "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "systemd"};
  return std::ranges::find(known, program) != std::end(known);
}

std::vector<userns::MountOp> system_mounts() {
  std::vector<userns::MountOp> mounts;
  // Debian's systemd ends where /run/lock is no mount, since it may not make one.
  for (const auto& [target, data] :
       {std::pair("/run", "mode=755"), std::pair("/run/lock", "mode=1777"), std::pair("/tmp", "mode=1777")}) {
    userns::MountOp& mount = mounts.emplace_back();
    mount.kind = userns::MountKind::tmpfs;
    mount.target = target;
    mount.data = data;
    mount.copy_up = true;
  }
  return mounts;
}

std::vector<std::string> system_environment(std::string_view id) {
  const auto part = [&](std::size_t begin, std::size_t length) { return id.substr(begin, length); };
  return {"container=oci",
          fmt::format("container_uuid={}-{}-{}-{}-{}", part(0, 8), part(8, 4), part(12, 4), part(16, 4), part(20, 12))};
}

}  // namespace sandbox::engine
