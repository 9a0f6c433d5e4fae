// One cgroup v2 by its directory (cgroups(7); kernel documentation, admin-guide/cgroup-v2.rst): its limits, and all of
// its processes at once. Any process that may write there.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/limits.h"

namespace sandbox::cgroup {

class Directory {
 public:
  /// Makes the cgroup, which must not exist, in a parent that does. Throws SysError.
  static Directory make(const std::string& path);
  /// None when there is none, or something that is no cgroup v2.
  static std::optional<Directory> find(const std::string& path);
  Directory(Directory&&) noexcept = default;
  Directory& operator=(Directory&&) noexcept = default;

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }  ///< For clone3(2) with CLONE_INTO_CGROUP.
  explicit operator bool() const { return static_cast<bool>(fd_); }

  /// Throws SysError naming the option of the setting that the kernel refuses.
  void apply(const std::vector<Setting>& settings) const;
  /// Gives the user what a cgroup is delegated with: the directory and the files that the kernel names for that in
  /// /sys/kernel/cgroup/delegate (cgroups(7)). Throws SysError.
  void give_to(uid_t user) const;
  /// Moves a process here. Costs milliseconds: the kernel waits for all its processors.
  Result<void> enter(pid_t pid) const;
  /// Whether the kernel lets us move processes of the cgroup `from` here: that and the first cgroup above both must be
  /// ours (cgroups(7), "Delegation containment").
  bool is_open_from(const std::string& from) const;
  std::vector<int> processes() const;  ///< Of the cgroups below, too. In numeric order.
  void kill() const;                   ///< Every process at once (cgroup.kill, Linux 5.14).
  /// Returns when the kernel has done it; what won't stand still in time is thawed again. Throws SysError, Error.
  void freeze(bool on) const;
  bool is_frozen() const;
  /// The text of one of its files; empty without such a file.
  std::string text(const std::string& file) const;
  /// Removes it with the cgroups below, as soon as their killed processes have left.
  void remove() const noexcept;

 private:
  Directory(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  Fd fd_;
};

/// As root of a user namespace that has them all: makes `owner` the owner again of a cgroup, those below and their
/// files, whatever those in there have made of owners and modes. Throws SysError.
void take_back(const std::string& path, uid_t owner);

/// The number behind a word at the beginning of a line ("oom_kill 3"); 0 without such a line.
std::uint64_t value_of(std::string_view text, std::string_view key);

}  // namespace sandbox::cgroup
