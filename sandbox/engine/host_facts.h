// What this machine lets this user do, found out by trying. ladders.h says what follows from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/base/places.h"
#include "sandbox/engine/resources.h"

namespace sandbox::engine {

/// How an attempt went.
struct Trial {
  int error = 0;       ///< errno(3); 0: it worked.
  std::string reason;  ///< What failed and why: "opening '/dev/fuse': No such file or directory".
  bool works() const { return error == 0; }
};

struct HostFacts {
  std::string executable;  ///< Our own path.
  Trial user_namespace;    ///< Making one with one's own id mapped, as every container needs.
  /// Settings of the kernel that forbid it (sysctl(8)); none: this kernel does not have the setting.
  std::optional<std::int64_t> max_user_namespaces, unprivileged_userns_clone, apparmor_restrict_unprivileged_userns;
  Trial proc;                           ///< Mounting a procfs of one's own.
  std::uint32_t ids = 1;                ///< That containers can have, from 0 on.
  std::string range_reason, range_fix;  ///< Why there is no range of ids; empty: there is one.
  bool notifies = false;                ///< Owners and ids beyond one can be emulated (seccomp_unotify(2)).
  Trial overlay, fuse;                  ///< Merging layers in the store.
  Trial tap, veth;                      ///< Interfaces of a private network.
  ResourcesReport resources;
  std::string runtime;                         ///< The runtime directory in use.
  bool runtime_chosen = false;                 ///< By SANDBOX_RUNTIME_DIR.
  std::optional<std::string> session_runtime;  ///< $XDG_RUNTIME_DIR
};

/// Tries everything, in children of this process. Precondition: one thread; the places are made.
HostFacts find_host_facts(const Places& places);

}  // namespace sandbox::engine
