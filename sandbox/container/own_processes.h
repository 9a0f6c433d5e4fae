// The processes of a container whose pid namespace is another's: nothing ends them when its first one ends. They are
// those in its mount namespace. A child of the supervisor ends them, which outlives it where it is killed.
#pragma once

#include <vector>

#include "sandbox/base/sys.h"
#include "sandbox/container/container_store.h"

namespace sandbox::container {

/// What is left of them ends with this object, or with the process that has it.
class OwnProcesses {
 public:
  OwnProcesses();
  OwnProcesses(const OwnProcesses&) = delete;
  OwnProcesses& operator=(const OwnProcesses&) = delete;
  ~OwnProcesses();

  /// In the new process, while it sees the host's files: hands over its mount namespace, which the kernel shows to
  /// nobody else before its program runs.
  void introduce() const;
  /// In the supervisor, when that has been called. Precondition: one thread.
  void recognize();

 private:
  sys::Pair channel_;
  sys::Cloned ender_;
  Fd word_;  ///< A byte tells the ender that it is time.
};

/// Whether it sees no processes but its own.
bool has_own_processes(const Spec& spec);
/// Host's pids of its processes while it runs, in numeric order.
std::vector<int> processes_of(const Container& container);

}  // namespace sandbox::container
