// The listener of a seccomp filter (seccomp_unotify(2)): calls of processes under it, and the answers.
#pragma once

#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sandbox/base/fd.h"

namespace sandbox::ownership {

/// What a call returns: an error number, or a value. `by_kernel`: the kernel goes on with it.
struct Answer {
  int error = 0;
  std::int64_t value = 0;
  bool by_kernel = false;
};

class Listener {
 public:
  explicit Listener(Fd fd);

  int fd() const { return fd_.get(); }
  /// The number of the credentials (CredentialTable) that the first process under the filter has.
  std::uint32_t first = 0;
  /// The next call. None: its process has been killed, or the listener has nothing more to say.
  std::optional<seccomp_notif> receive();
  /// Whether the process of the call still waits for its answer, so that its id means what it did.
  bool is_waiting(std::uint64_t id) const;
  /// A process that has gone needs no answer.
  void answer(std::uint64_t id, const Answer& answer);

 private:
  Fd fd_;
  std::vector<std::byte> received_, sent_;  ///< As large as the running kernel's structures.
};

}  // namespace sandbox::ownership
