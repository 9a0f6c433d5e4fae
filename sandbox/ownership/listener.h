// The listener of a seccomp filter (seccomp_unotify(2)): calls of processes under it, and the answers.
#pragma once

#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sandbox/base/fd.h"

namespace sandbox::ownership {

/// What a call returns: an error number, a value, or a descriptor that the process gets. `by_kernel`: the kernel goes
/// on with it.
struct Answer {
  int error = 0;
  std::int64_t value = 0;
  bool by_kernel = false;
  Fd descriptor = {};
  bool closed_by_exec = false;  ///< O_CLOEXEC of the descriptor.
};

inline Answer left_to_kernel() { return {.by_kernel = true}; }

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
  /// Whether answers can be descriptors (Linux 5.14).
  bool gives_descriptors() const { return gives_descriptors_; }
  /// A process that has gone needs no answer.
  void answer(std::uint64_t id, const Answer& answer);

 private:
  int give(std::uint64_t id, int fd, bool closed_by_exec) const;

  Fd fd_;
  bool gives_descriptors_;
  std::vector<std::byte> received_, sent_;  ///< As large as the running kernel's structures.
};

}  // namespace sandbox::ownership
