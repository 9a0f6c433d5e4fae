// When a container that has ended starts again (moby's restart manager). Pure.
#pragma once

#include <chrono>
#include <optional>

#include "sandbox/container/spec.h"
#include "sandbox/container/state.h"

namespace sandbox::container {

class Restarts {
 public:
  /// The pause before the next start; none: it stays ended. `ran`: since its last start. `stopped`: somebody has asked
  /// it to end. Each time that it starts again counts.
  std::optional<std::chrono::milliseconds> after(const RestartPolicy& policy, int exit_code,
                                                 std::chrono::milliseconds ran, bool stopped);
  int count() const { return count_; }

 private:
  std::chrono::milliseconds pause_{};
  int count_ = 0;
};

/// Whether the policy has a container that has been up start when the machine has been restarted: always, or if nobody
/// had stopped it.
bool should_start_on_boot(const RestartPolicy& policy, const State& state);

}  // namespace sandbox::container
