// A container's cgroup from its making to its removal. What is on disk about it is in the Record, written before it
// exists: so `delete` finds it whenever its maker was killed.
//
//     <directory>          the container's processes; limits
//     <directory>.making   while it is made: holds what makes it and is not to be limited
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/cgroup/directory.h"
#include "sandbox/runtime/cgroup_plan.h"
#include "sandbox/runtime/store.h"
#include "userns/launch.h"

namespace sandbox::runtime {

class Placeholder;

/// The making of it. What has been made is removed by remove_cgroup().
class CgroupMaking {
 public:
  /// Puts the names into `record` and lets `save` write it, then makes the cgroup, without limits yet. Throws
  /// Unsupported when a limit's controller is missing, Conflict when somebody is in the cgroup, SysError.
  CgroupMaking(const CgroupPlan& plan, Record& record, const std::function<void()>& save);
  ~CgroupMaking();
  CgroupMaking(const CgroupMaking&) = delete;
  CgroupMaking& operator=(const CgroupMaking&) = delete;

  /// Whether the container has one of its own; otherwise it shares the caller's.
  bool is_own() const { return cgroup_.has_value(); }
  /// Whether the container's processes will reach no other devices than its rules allow.
  bool guards_devices() const { return static_cast<bool>(device_program_); }
  /// Of the container's process.
  userns::CgroupEntry entry() const;
  /// For LaunchHooks::at_cgroup_namespace: moves a process that enters late in, and out again.
  std::function<void(pid_t)> at_namespace();
  /// Everything is made: the process belongs there, and the limits hold from now on.
  void finish(pid_t pid);

 private:
  void make_in_scope(Record& record, const std::function<void()>& save);
  void make_directory(Record& record, const std::function<void()>& save, const std::string& top,
                      const std::string& path);
  void load_device_program();
  void make_nursery(const std::string& cgroup);
  void end_nursery() noexcept;
  const CgroupPlan& plan_;
  const Record& record_;
  std::optional<cgroup::Directory> cgroup_, nursery_;
  std::unique_ptr<Placeholder> placeholder_;
  Fd device_program_;
  bool visiting_ = false;
};

/// The cgroup of a container as those in there have left it, for questions; none when it has none of its own, or they have
/// closed it.
std::optional<cgroup::Directory> look_at_cgroup(const Record& record);
/// The same for changes: its owner takes back what root of the container has given away. None when that can't be had.
std::optional<cgroup::Directory> cgroup_of(const Record& record);
/// Kills what is in it and removes it, with its scope. What can't be done becomes a warning.
void remove_cgroup(const Record& record, std::vector<std::string>& warnings);

/// Lets the cgroup have the controllers that settings need. Throws Unsupported naming the one that can't be had.
void make_room_for(const std::vector<cgroup::Setting>& settings, const cgroup::Directory& cgroup,
                   const cgroup::Surroundings& surroundings);

/// The way of a further process into the container's cgroup.
class Entrance {
 public:
  /// `below`: a path below the container's cgroup that exists; empty: where it usually goes. Throws UsageError,
  /// NotFound, Unsupported.
  Entrance(const Record& record, const std::string& below);
  userns::CgroupEntry entry() const;
  /// When everything else is done, before the process may run anything.
  void finish(pid_t pid) const;

 private:
  Record record_;
  std::optional<cgroup::Directory> cgroup_;  ///< None: it stays where the caller is.
  bool late_ = false;                        ///< Only at the end, since there is so little memory.
};

}  // namespace sandbox::runtime
