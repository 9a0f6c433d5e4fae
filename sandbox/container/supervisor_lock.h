// The supervisor of a container as others meet it: the lock that it holds for its life, and what is left to do when it
// answers nobody.
#pragma once

#include <chrono>

#include "sandbox/base/fd.h"
#include "sandbox/container/container_store.h"

namespace sandbox::container {

/// A supervisor says "exited" shortly before it lets its lock go: whoever follows it waits so long.
inline constexpr auto supervisor_ending_time = std::chrono::seconds(5);

/// Taken by the supervisor for its life: at most one per container. A record lock of fcntl(2), so
/// that no forked child holds it on. Throws Conflict when another process still has it after `patience`.
class SupervisorLock {
 public:
  explicit SupervisorLock(const Container& container, std::chrono::milliseconds patience = {});

 private:
  Fd fd_;
};

/// Its supervisor is stopped (SIGSTOP, a debugger) and will answer nobody.
bool supervisor_hangs(const Container& container);
/// The last resort: SIGKILL for the supervisor, which takes the container with it.
void kill_supervisor(const Container& container);
/// After that, when somebody has asked for the container's end: it is not to be started again by itself.
void record_stop(const ContainerStore& store, const Container& container);

}  // namespace sandbox::container
