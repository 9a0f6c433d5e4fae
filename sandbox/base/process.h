// Naming one process for longer than its pid lives, and asking a child for what would change the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sandbox/base/fd.h"

namespace sandbox {

/// Field 22 of /proc/<pid>/stat (proc_pid_stat(5)), clock ticks since boot: with it a pid names one process, not a
/// later one of the same number. 0 when there is no such process, or when it is dead and only not yet reaped; also
/// while it is dying and will run nothing any more, as pid 1 of a namespace can be for long: it waits until all others
/// in there have been reaped, also by parents outside (pid_namespaces(7)).
std::uint64_t process_start_time(int pid);

/// What names this run of the machine (boot_id of random(4)); empty where /proc does not tell.
const std::string& boot_id();

/// Whether a signal or a debugger holds it up (field 3: T, t), so that it will answer nobody.
bool is_process_stopped(int pid);

/// SIGKILL for the process that has this number and start time, if it lives, and a second to die.
void kill_process(int pid, std::uint64_t start);

/// A child process that runs `act` while the caller goes on: namespaces that it enters, mounts and cgroups that it
/// makes end with it. It is killed with this object.
class AskedChild {
 public:
  /// Precondition: one thread.
  explicit AskedChild(const std::function<std::string()>& act);
  AskedChild(AskedChild&&) noexcept = default;
  AskedChild& operator=(AskedChild&&) = delete;
  ~AskedChild();

  /// Waits for the child's end and returns what `act` returned, at most 1 GiB. An exception there comes back as Error
  /// with its message and hint. Once.
  std::string answer();

 private:
  Fd answer_, pidfd_;
};

/// Asks, and waits for the answer.
std::string ask_child(const std::function<std::string()>& act);

// Its two halves, for a child of another kind.

/// In the child: what `act` returned or threw, as one text.
std::string framed_answer(const std::function<std::string()>& act);
/// In the parent: what was returned, or thrown as Error.
std::string unframed_answer(const std::string& framed);

}  // namespace sandbox
