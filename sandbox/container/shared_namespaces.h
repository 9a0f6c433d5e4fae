// Namespaces that a container shares with others (--network container:NAME and the like), found when it starts. Runs in
// its supervisor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/base/places.h"
#include "sandbox/container/spec.h"
#include "userns/joined_namespaces.h"

namespace sandbox::container {

/// What the kernel calls the tmpfs on /dev/shm that a container has by itself, in its table of mounts.
inline constexpr const char* shared_memory_name = "shm";

/// Those that the spec names, as the others have them now.
class SharedNamespaces {
 public:
  /// Throws NotFound for another that has been removed, Conflict for one that does not run.
  SharedNamespaces(const Places& places, const Spec& spec);

  /// The plan, which says that all are its own, with these instead, and with the others' shared memory: good as long as
  /// this object lives.
  userns::LaunchPlan joined_to(const userns::LaunchPlan& plan) const;
  /// Throws Conflict for another that has ended meanwhile: what has failed then has failed for that.
  void require_running() const;

 private:
  struct Other {
    userns::NamespaceKind kind;
    std::string id;
    int pid;
    std::uint64_t pid_start;
  };
  void check_owner(const Spec& spec) const;
  std::vector<Other> others_;
  std::vector<userns::OpenedNamespace> opened_;
  Fd mounts_;  ///< The mount namespace of those whose shared memory it is.
};

}  // namespace sandbox::container
