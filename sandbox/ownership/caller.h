// The process that waits for an answer: its memory, its files, and its number in the table of credentials.
//
// While it waits it can be killed, and its id can become another's. So whatever has been opened by the id is used only
// after the kernel has confirmed that the call still waits. What other threads do to its memory and descriptors in the
// meantime changes what the call is about, as it does in a call that the kernel answers; each argument is read once.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "sandbox/ownership/listener.h"

namespace sandbox::ownership {

class Caller {
 public:
  /// Borrows: the listener of its filter, and `proc`, a procfs that shows it under its id in our pid namespace.
  Caller(const Listener& listener, const seccomp_notif& asked, int proc);

  pid_t thread() const { return thread_; }
  Result<void> read(std::uint64_t address, void* data, std::size_t size);
  Result<void> write(std::uint64_t address, const void* data, std::size_t size);
  /// A path: at most PATH_MAX bytes (ENAMETOOLONG).
  Result<std::string> read_path(std::uint64_t address);

  /// What its descriptor refers to, as O_PATH.
  Result<Fd> descriptor(int number) const;
  /// The object at `path`, as O_PATH, from the directory `base` (a descriptor of its, or AT_FDCWD), in its root. This
  /// process has that root from then on. `follow`: also a symbolic link at the end.
  Result<Fd> resolve(int base, const std::string& path, bool follow) const;

  Result<mode_t> umask() const;
  /// Its effective ones, bit n: capability n.
  Result<std::uint64_t> capabilities() const;
  /// Another number after each execve(2).
  Result<std::uint64_t> program() const;

  /// Those of the listener's first process where it has changed no ids, nor has any process that it descends from.
  std::uint64_t credentials() const;
  Result<void> set_credentials(std::uint32_t number) const;

 private:
  Result<Fd> open_own(const std::string& name, int flags) const;
  Result<void> open_memory();
  Result<void> enter(int base) const;
  Result<std::string> status_field(const std::string& name) const;

  const Listener& listener_;
  std::uint64_t id_;
  pid_t thread_;
  int proc_;
  Fd memory_;
};

}  // namespace sandbox::ownership
