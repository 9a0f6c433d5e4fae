// Executing a LaunchPlan: begin() makes the isolated process up to the point before execve,
// start() lets it go. Runs in the supervisor, which must have one thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

/// The descriptors that the new process gets.
struct StdioFds {
  int in = -1, out = -1, err = -1;  ///< Its 0, 1, 2; ignored with a terminal.
  std::vector<int> passed = {};     ///< Its 3, 4, …; where one has that number already it stays as it is.
  int gate = -1;                    ///< For detach(): a listening socket (SOCK_SEQPACKET).
};

/// Executes the program at `path`, without `env` in the environment of the container's own process.
using Become = std::function<void(const std::string& path, const std::vector<std::string>& argv,
                                  const std::optional<std::vector<std::string>>& env)>;

/// What other rooms contribute inside the new network namespace, before the host's tree disappears.
struct LaunchHooks {
  std::function<Fd(const NetworkInterface&)> create_nic;  ///< Called for plan.network and each of plan.interfaces.
  std::function<void()> bring_up_loopback;                ///< Called before.
  /// Called in the parent when the root is mounted through FUSE: begins to serve it, given the mount's device
  /// and user namespace. The new process waits for it at its first access.
  std::function<void(Fd device, Fd user_namespace)> serve_root;

  /// Called in the parent when the new process is in its namespaces, but for the cgroup and time namespaces, and has done
  /// nothing yet.
  std::function<void(pid_t)> in_parent;
  /// Called in the parent before and after the new process makes its cgroup namespace, whose root will be the cgroup
  /// that it is in then.
  std::function<void(pid_t)> at_cgroup_namespace;
  /// Called in the parent when all is mounted, while the new process waits before it enters its root.
  std::function<void(pid_t)> before_root;
  /// Called then in the new process, which still sees the host's files.
  std::function<void()> in_namespaces;
  /// Called in the new process, inside its root, when it has been told to start. `become` is for children of it: to be
  /// a program with the rights of the container's own; it does not return.
  std::function<void(const Become& become)> before_program;
};

/// Takes the listener of the process's seccomp filter (seccomp_unotify(2)).
using TakeListener = std::function<void(Fd listener)>;

/// How the new process comes into its cgroup v2, for good.
struct CgroupEntry {
  int directory = -1;  ///< To start in (clone3(2), CLONE_INTO_CGROUP); -1: the caller's.
  /// Where the kernel would not let the caller do that (cgroups(7), "Delegation containment"): called in the parent, it
  /// moves the process that is to start the new one.
  std::function<void(pid_t)> carry;
};

/// Set-up of the container failed. `exit_code` is Docker's: 126 not executable, 127 not found, 125 else.
class LaunchError : public Error {
 public:
  LaunchError(const std::string& message, int exit_code, std::string hint = {})
      : Error(message, std::move(hint)), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

/// A process between clone and execve. Destroying it unstarted kills it.
class Launched {
 public:
  /// Throws LaunchError, SysError, or what the hooks and `cgroup` throw.
  static Launched begin(const LaunchPlan& plan, const StdioFds& stdio, const LaunchHooks& hooks = {},
                        const CgroupEntry& cgroup = {});
  Launched(Launched&&) noexcept = default;
  Launched& operator=(Launched&&) noexcept = default;
  ~Launched();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  const Fd& console() const { return console_; }
  Fd take_console() { return std::move(console_); }  ///< Master side; valid with process.terminal.
  /// The outer ends of plan.network and plan.interfaces.
  std::vector<Fd> take_nics() { return std::move(nics_); }
  /// The container's user namespace and its root directory; valid with process.notifying, of a new container.
  Fd take_user_namespace() { return std::move(user_namespace_); }
  Fd take_root() { return std::move(root_); }
  /// Lets the process go; returns when execve has succeeded. Throws LaunchError, or what `take` throws, which is called
  /// before that when the plan's seccomp_flags ask for a listener.
  void start(const TakeListener& take = {});
  /// The process no longer depends on this one, and waits for start_through().
  void detach();

 private:
  friend class Joiner;
  enum class Until { named, ready };  ///< The new process is known; it is ready.
  Launched() = default;
  void receive(const std::string& what, const LaunchHooks& hooks, Until until);
  void await_word(const std::string& what) const;
  pid_t pid_ = -1;
  Fd pidfd_, channel_, console_, user_namespace_, root_;
  std::vector<Fd> nics_;
  bool started_ = false;
  bool among_others_ = false;  ///< In a container that runs: its processes may do things to this one.
};

/// What start() does, by another process than the one that began: `connection` is to the gate of begin(). When it throws
/// the process may run.
void start_through(int connection, const TakeListener& take = {});

/// Begins a process in the namespaces of the running container whose pid 1 is `container_pidfd` (setns(2) by pidfd,
/// Linux 5.8). The same contract as Launched::begin.
Launched join(int container_pidfd, const ProcessPlan& process, const StdioFds& stdio, const CgroupEntry& cgroup = {});
/// The same where `connection` leads to the gate of a process that still waits there: the kernel shows the namespaces
/// of such a one to nobody (proc(5), "dumpable"), so it hands them over itself. None when it has ceased to wait.
std::optional<Launched> join_waiting(int connection, const ProcessPlan& process, const StdioFds& stdio,
                                     const CgroupEntry& cgroup = {});

/// Enters the network namespace of the running container whose pid 1 is `container_pidfd`, with what power over it its
/// user namespace gives. For a child, which has one thread.
void enter_network(int container_pidfd);

}  // namespace sandbox::userns
