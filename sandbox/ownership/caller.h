// The process that waits for an answer: its memory, its files, and its number in the table of credentials.
//
// While it waits it can be killed, and its id can become another's. So whatever has been opened by the id is used only
// after the kernel has confirmed that the call still waits; what has been read of its memory before is the right one's,
// too, then. Nothing is kept from one call to the next: its memory is another after execve(2), and after vfork(2) that
// of two. What other threads do to its memory and descriptors in the meantime changes what the call is about, as it
// does in a call that the kernel answers; each argument is read once.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
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
  bool gets_descriptors() const { return listener_.gives_descriptors(); }
  Result<void> read(std::uint64_t address, void* data, std::size_t size) const;
  Result<void> write(std::uint64_t address, const void* data, std::size_t size);
  /// A path: at most PATH_MAX bytes (ENAMETOOLONG).
  Result<std::string> read_path(std::uint64_t address) const;

  /// What its descriptor refers to, as O_PATH.
  Result<Fd> descriptor(int number) const;
  /// The open file or socket itself.
  Result<Fd> copy_of(int number) const;
  /// A directory that paths start from: a descriptor of its, or AT_FDCWD.
  Result<Fd> directory(int base) const;
  /// The object at `path`, as O_PATH, from the directory `base`, in its root. This process may have that root from then
  /// on, and is in `proc`. `follow`: also a symbolic link at the end.
  Result<Fd> resolve(int base, const std::string& path, bool follow) const;
  /// The same, for who has the kernel go on where there is no such object: what is found by a process's own links in
  /// procfs alone (/proc/self) counts as none.
  Result<Fd> look_up(int base, const std::string& path, bool follow) const;

  Result<mode_t> umask() const;
  /// Its effective ones, bit n: capability n.
  Result<std::uint64_t> capabilities() const;
  /// Another number after each execve(2).
  Result<std::uint64_t> program() const;

  /// Another process, by its id in this one's pid namespace: the credentials that it has set, and its id in its own.
  struct Peer {
    std::uint64_t credentials = 0;
    pid_t id = 0;
  };
  /// None: it has set none.
  std::optional<Peer> peer(pid_t pid) const;

  /// None: those of the listener's first process. It has changed no ids, nor has any process that it descends from.
  std::optional<std::uint64_t> credentials() const;
  Result<void> set_credentials(std::uint32_t number) const;
  /// What the limit is that holds the number, when there is one in it: as the process has had it before.
  std::optional<rlimit64> limit_with_number() const;

 private:
  Result<Fd> open_own(const std::string& name, int flags) const;
  Result<std::size_t> read_some(std::uint64_t address, void* data, std::size_t size) const;
  Result<Fd> start_of(int base, const std::string& path) const;
  Result<Fd> resolve_in_root(const Fd& start, const std::string& path, bool follow) const;
  Result<std::string> status_field(const std::string& name) const { return status_field(thread_, name); }
  Result<std::string> status_field(pid_t pid, const std::string& name) const;

  const Listener& listener_;
  std::uint64_t id_;
  pid_t thread_;
  int proc_;
  Fd memory_;
};

}  // namespace sandbox::ownership
